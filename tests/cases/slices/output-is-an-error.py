# errors
# need 2: 1 2
# %%
d = {"a": 1}
# %%
print(d["b"])
