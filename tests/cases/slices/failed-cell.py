# errors
# need 2: 1 2
# need 3: 1 2 3
# %%
x = [1]
# %%
x.append(2)
raise SystemError("half way")
# %%
print(x)
