# need 4: 1 2 3 4
# %%
import asyncio
got = []
# %%
async def work():
    await asyncio.sleep(0)
    got.append("done")
task = asyncio.get_event_loop().create_task(work())
# %%
await asyncio.sleep(0.05)
# %%
print(got)
