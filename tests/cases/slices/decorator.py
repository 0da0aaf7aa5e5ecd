# need 4: 1 2 3 4
# %%
calls = []
# %%
def traced(function):
    def inner(*args):
        calls.append(function.__name__)
        return function(*args)
    return inner
# %%
@traced
def double(x):
    return 2 * x
# %%
print(double(4), calls)
