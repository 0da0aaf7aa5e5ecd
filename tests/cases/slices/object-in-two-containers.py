# need 5: 1 2 3 4 5
# %%
shared = [0]
# %%
first = {"s": shared}
# %%
second = (shared, 1)
# %%
first["s"].append(1)
# %%
print(second)
