# need 4: 1 2 3 4
# %%
a = [1]
# %%
b = a
# %%
b += [2]
# %%
print(a)
