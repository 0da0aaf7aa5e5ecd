# order: 1 2 2 3
# need 4: 1 2 3 4
# %%
n = 1
# %%
n = n * 3
# %%
print(n)
