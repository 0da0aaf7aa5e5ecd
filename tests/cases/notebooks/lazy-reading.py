# A generator made in one cell opens its files where it is consumed.

# %% [setup]
from pathlib import Path
for name in "abc":
    Path(f"{name}.txt").write_text(name)

# %%
def contents(names):
    for name in names:
        with open(f"{name}.txt") as stream:
            yield stream.read()

lazy = contents("abc")
print("nothing is open yet")

# %%
print(next(lazy))
touched("read", "a.txt")

# %%
print(list(lazy))
touched("read", "b.txt")
touched("read", "c.txt")
