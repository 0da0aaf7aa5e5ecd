# need 3: 1 2 3
# %%
n = 4
# %%
exec("m = n + %d" % n)
# %%
print(m)
