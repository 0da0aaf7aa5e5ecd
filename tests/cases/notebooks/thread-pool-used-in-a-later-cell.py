# A thread pool made in one cell is used in others: each item belongs to the cell that submitted it.

# %% [setup]
from pathlib import Path
for name in "abcdefgh":
    Path(f"{name}.txt").write_text(name)

# %%
from concurrent.futures import ThreadPoolExecutor

def read(name):
    with open(f"{name}.txt") as stream:
        return stream.read()

pool = ThreadPoolExecutor(2)
print(list(pool.map(read, "abc")))
for name in "abc":
    touched("read", f"{name}.txt")

# %%
print(list(pool.map(read, "def")))
for name in "def":
    touched("read", f"{name}.txt")

# %%
print(pool.submit(read, "g").result(), read("h"))
touched("read", "g.txt")
touched("read", "h.txt")

# %%
pool.shutdown()
