# errors
# need 2: 2
# need 4: 1 4
# %%
x = 1
# %%
1 / 0
x = 2
# %%
y = 5
# %%
print(x)
