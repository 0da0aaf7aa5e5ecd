# need 3: 1 2 3
# %%
names = ["a", "b"]
# %%
for name in names:
    size = len(name) + 1
# %%
print(name, size)
