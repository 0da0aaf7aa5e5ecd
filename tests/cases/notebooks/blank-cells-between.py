# A blank cell has a position and no execution.

# %% [setup]
from pathlib import Path
Path("a.txt").write_text("a")
Path("b.txt").write_text("b")

# %%
print(open("a.txt").read())
touched("read", "a.txt")

# %%

# %% [markdown]
# Words.

# %%
# only a comment

# %%
print(open("b.txt").read())
touched("read", "b.txt")
