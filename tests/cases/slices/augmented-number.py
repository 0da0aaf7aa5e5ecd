# need 4: 1 2 4
# %%
n = 1
# %%
n += 1
# %%
m = n
# %%
print(n)
