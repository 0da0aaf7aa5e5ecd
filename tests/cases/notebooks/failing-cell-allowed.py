# options: --allow-errors
# A failing cell keeps what it touched, and with errors allowed the notebook goes on.

# %% [setup]
from pathlib import Path
for name in "abc":
    Path(f"{name}.txt").write_text(name)

# %%
print(open("a.txt").read())
touched("read", "a.txt")

# %%
print(open("b.txt").read())
touched("read", "b.txt")
raise ValueError("meant to fail")

# %%
def broken(:

# %%
print(open("c.txt").read())
touched("read", "c.txt")
