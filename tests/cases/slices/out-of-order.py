# order: 3 1 2 4
# need 4: 1 2 3 4
# %%
y = x + 1
# %%
z = y * 2
# %%
x = 5
# %%
print(z)
