# A task made in one cell opens its file while a later one runs. Exact for the maker, or the later
# cell marked as inferred: both are honest, the later cell as a fact would not be.

# %% [setup]
from pathlib import Path
for name in "abc":
    Path(f"{name}.txt").write_text(name)

# %%
import asyncio
go = asyncio.Event()

async def read_when_told():
    await go.wait()
    with open("a.txt") as stream:
        return stream.read()

task = asyncio.ensure_future(read_when_told())
made_in = execution()
print(open("b.txt").read())
touched("read", "b.txt")

# %%
go.set()
print(await asyncio.wait_for(task, 20))
touched("read", "a.txt", execution=made_in, otherwise={"execution": execution(), "certainty": "inferred"})
print(open("c.txt").read())
touched("read", "c.txt")
