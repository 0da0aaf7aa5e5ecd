# need 4: 1 2 3 4
# %%
import weakref
# %%
class Registry:
    known = weakref.WeakValueDictionary()
    def __init__(self, name):
        Registry.known[name] = self
# %%
a = Registry("a")
# %%
print(list(Registry.known))
