# need 4: 1 2 3 4
# %%
class Hostile:
    def __init__(self):
        self.n = 0
    def __eq__(self, other):
        raise SystemError("compared")
    def __hash__(self):
        raise SystemError("hashed")
    def __repr__(self):
        raise SystemError("shown")
    def __getattr__(self, name):
        raise SystemError("asked")
    def __len__(self):
        raise SystemError("measured")
    def __iter__(self):
        raise SystemError("iterated")
# %%
h = Hostile()
# %%
h.n += 1
# %%
print(h.n)
