# need 3: 1 2 3
# %%
d = {"a": 1, "b": 2}
# %%
del d["a"]
# %%
print(d)
