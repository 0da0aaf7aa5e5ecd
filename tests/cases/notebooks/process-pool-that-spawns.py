# Spawned workers are new interpreters that import the project's module.

# %% [setup]
from pathlib import Path
for number in range(6):
    Path(f"{number}.txt").write_text(str(number))
Path("copying.py").write_text(
    "def copy(number):\n"
    "    with open(f'{number}.txt') as source, open(f'{number}.out', 'w') as sink:\n"
    "        sink.write(source.read())\n"
    "    return number\n"
)

# %%
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from copying import copy
touched("read", "copying.py", role="code")

pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
for number in pool.map(copy, range(3)):
    touched("read", f"{number}.txt")
    touched("write", f"{number}.out")

# %%
for number in pool.map(copy, range(3, 6)):
    touched("read", f"{number}.txt")
    touched("write", f"{number}.out")

# %%
pool.shutdown()
