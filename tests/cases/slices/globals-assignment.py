# need 3: 1 2 3
# %%
keys = ["p", "q"]
# %%
for key in keys:
    globals()[key] = key * 2
# %%
print(p, q)
