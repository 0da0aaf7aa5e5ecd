# order: 1 2 3 1 3
# need 3: 1 2 3
# need 5: 2 4 5
# %%
total = 10
# %%
factor = 2
# %%
total = total * factor
print(total)
