# need 5: 1 2 3 5
# %%
class Acc:
    def __init__(self):
        self.got = []
    def __matmul__(self, other):
        self.got.append(other)
        return self
# %%
acc = Acc()
# %%
_r = acc @ 3
# %%
z = 1
# %%
print(acc.got)
