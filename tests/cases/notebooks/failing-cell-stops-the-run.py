# exit: 1
# The run ends at the failing cell; what happened up to there is kept.

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
print(open("c.txt").read())
touched("read", "c.txt")
