# need 5: 1 2 3 5
# %%
class A:
    def f(self):
        return 1
# %%
a = A()
# %%
A.f = lambda self: 2
# %%
n = 10
# %%
print(a.f())
