# need 4: 1 2 3 4
# %%
class Lazy:
    def __init__(self):
        self.calls = 0
    @property
    def value(self):
        self.calls += 1
        return 7
# %%
lazy = Lazy()
# %%
v = lazy.value
# %%
print(lazy.calls)
