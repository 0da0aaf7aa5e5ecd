# need 4: 3 4
# %%
x = 1
# %%
del x
# %%
x = 3
# %%
print(x)
