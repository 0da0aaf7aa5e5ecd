# need 5: 2 3 5
# %%
scale = 2
# %%
def scaled(x):
    return x * scale
# %%
scale = 10
# %%
unused = [scale] * 3
# %%
print(scaled(4))
