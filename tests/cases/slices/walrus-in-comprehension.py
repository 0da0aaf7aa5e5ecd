# need 3: 2 3
# %%
last = None
# %%
found = [last := n for n in range(4)]
# %%
print(last)
