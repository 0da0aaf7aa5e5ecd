# need 5: 1 2 3 5
# %%
def make():
    n = 0
    def step():
        nonlocal n
        n += 1
        return n
    return step
# %%
step = make()
# %%
first = step()
# %%
other = make()
# %%
print(step())
