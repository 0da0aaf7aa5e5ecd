# need 5: 1 2 3 4 5
# %%
import functools
# %%
def counted(function):
    @functools.wraps(function)
    def inner(*args):
        inner.calls += 1
        return function(*args)
    inner.calls = 0
    return inner
# %%
@counted
def f(x):
    return x
# %%
f(1); f(2)
None
# %%
print(f.calls)
