# Forked workers of a ProcessPoolExecutor live on; items of a later cell belong to that cell.

# %% [setup]
from pathlib import Path
for number in range(12):
    Path(f"{number}.txt").write_text(str(number))

# %%
from concurrent.futures import ProcessPoolExecutor
import multiprocessing

def copy(number):
    with open(f"{number}.txt") as source, open(f"{number}.out", "w") as sink:
        sink.write(source.read())
    return number

pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
for number in pool.map(copy, range(4)):
    touched("read", f"{number}.txt")
    touched("write", f"{number}.out")

# %%
for number in pool.map(copy, range(4, 8)):
    touched("read", f"{number}.txt")
    touched("write", f"{number}.out")

# %%
for future in [pool.submit(copy, number) for number in range(8, 12)]:
    number = future.result()
    touched("read", f"{number}.txt")
    touched("write", f"{number}.out")

# %%
pool.shutdown()
print("closed")
