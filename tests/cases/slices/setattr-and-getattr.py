# need 4: 1 2 3 4
# %%
import types
# %%
box = types.SimpleNamespace(n=1)
# %%
setattr(box, "n", 2)
# %%
print(getattr(box, "n"))
