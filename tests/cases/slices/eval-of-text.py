# need 4: 1 4
# %%
a = 2
# %%
b = 3
# %%
c = a * b
# %%
print(eval("a" + " + 1"))
