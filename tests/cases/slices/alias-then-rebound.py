# need 5: 1 5
# %%
a = [1]
# %%
b = a
# %%
b = list(b)
# %%
b.append(2)
# %%
print(a)
