# need 4: 1 2 3 4
# need 6: 5 6
# %%
a = [1]
# %%
b = a
# %%
b.append(2)
# %%
print(a)
# %%
c = [9]
# %%
print(c)
