# need 4: 1 4
# %%
a, (b, *c) = 1, (2, 3, 4)
# %%
d = b
# %%
e, f = f"{d}", 2
# %%
print(a, c)
