# cells-without-ids
# nbformat 4.4 has no cell ids: the position and the count name a cell.

# %% [setup]
from pathlib import Path
Path("a.txt").write_text("a")
Path("b.txt").write_text("b")

# %%
print(open("a.txt").read())
touched("read", "a.txt")

# %% [markdown]
# Words between cells.

# %%
print(open("b.txt").read())
touched("read", "b.txt")
