# need 4: 2 4
# %%
big = list(range(3000))
# %%
small = list(range(3))
# %%
big.reverse()
# %%
print(small)
