# need 5: 1 2 3 5
# %%
def grow(list_):
    list_.append(len(list_))
# %%
xs = []
# %%
grow(xs)
# %%
ys = sorted(xs)
# %%
print(xs)
