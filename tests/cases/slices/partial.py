# need 5: 1 2 3 5
# %%
from functools import partial
# %%
def scale(x, by):
    return x * by + shift
# %%
shift = 1; twice = partial(scale, by=2)
# %%
thrice = partial(scale, by=3)
# %%
print(twice(5))
