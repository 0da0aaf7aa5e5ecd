# need 3: 1 2 3
# %%
left, right = [1], [2]
# %%
left, right = right, left
# %%
print(left)
