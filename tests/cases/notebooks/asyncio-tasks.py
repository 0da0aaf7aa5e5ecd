# Awaiting in a cell, the loop's thread pool in two cells, and coroutines side by side.

# %% [setup]
from pathlib import Path
for name in "abcdef":
    Path(f"{name}.txt").write_text(name)

# %%
import asyncio

def read(name):
    with open(f"{name}.txt") as stream:
        return stream.read()

async def read_later(name):
    await asyncio.sleep(0.01)
    return read(name)

print(await asyncio.gather(read_later("a"), read_later("b")))
touched("read", "a.txt")
touched("read", "b.txt")

# %%
print(await asyncio.to_thread(read, "c"))
touched("read", "c.txt")

# %%
print(await asyncio.get_running_loop().run_in_executor(None, read, "d"))
touched("read", "d.txt")

# %%
process = await asyncio.create_subprocess_exec("cat", "e.txt", stdout=asyncio.subprocess.PIPE)
print(await process.communicate())
touched("read", "e.txt")
