# need 12: 2 5 12
# %%
a = 1
# %%
b = 2
# %%
c = a + b
# %%
d = [a, b, c]
# %%
e = b * 10
# %%
f = {"d": d}
# %%
g = sum(d)
# %%
h = str(f)
# %%
d.append(g)
# %%
f["e"] = e
# %%
k = len(h)
# %%
print(b, e)
