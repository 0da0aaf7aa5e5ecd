# need 4: 1 2 4
# %%
items = [1, 2]
# %%
items.append(3)
# %%
other = len("unrelated")
# %%
print(items)
