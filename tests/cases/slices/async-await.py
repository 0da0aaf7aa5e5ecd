# need 4: 1 2 3 4
# %%
import asyncio
# %%
async def later(x):
    await asyncio.sleep(0)
    return x + base
# %%
base = 40; got = await later(2)
# %%
print(got)
