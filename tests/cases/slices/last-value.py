# need 3: 1 3
# need 1: 1
# %%
40 + 2
# %%
a = 5
# %%
print(_)
