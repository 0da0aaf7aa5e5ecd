# need 4: 2 4
# %%
def total(list_):
    return sum(list_)
# %%
xs = [1, 2]
# %%
t = total(xs)
# %%
print(xs)
