# need 3: 1 3
# %%
x = "kept"
# %%
from contextlib import suppress
with suppress(ValueError):
    x = int("a")
# %%
print(x)
