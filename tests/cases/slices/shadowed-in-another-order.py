# order: 2 1 3
# need 3: 2 3
# %%
mode = "first"
# %%
mode = "second"
# %%
print(mode)
