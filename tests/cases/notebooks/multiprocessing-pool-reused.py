# multiprocessing.Pool: map, imap, apply and apply_async of later cells in the same workers.

# %% [setup]
from pathlib import Path
for number in range(10):
    Path(f"{number}.txt").write_text(str(number))

# %%
import multiprocessing

def read(number):
    with open(f"{number}.txt") as source:
        return source.read()

pool = multiprocessing.get_context("fork").Pool(2)
print(pool.map(read, range(3)))
for number in range(3):
    touched("read", f"{number}.txt")

# %%
print(list(pool.imap_unordered(read, [3])), pool.apply(read, (4,)))
touched("read", "3.txt")
touched("read", "4.txt")

# %%
print(pool.apply_async(read, (5,)).get(20), pool.starmap(read, [(6,), (7,)]))
for number in (5, 6, 7):
    touched("read", f"{number}.txt")

# %%
pool.terminate()
pool.join()
print(read(8))
touched("read", "8.txt")
