# need 5: 1 2 3 5
# %%
import functools
rate = 2
# %%
@functools.lru_cache
def priced(x):
    return x * rate
# %%
priced(3)
None
# %%
rate = 50
# %%
print(priced(3))
