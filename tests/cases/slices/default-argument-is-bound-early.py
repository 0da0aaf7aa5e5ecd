# need 4: 1 2 4
# %%
size = 3
# %%
def box(n=size):
    return [0] * n
# %%
size = 7
# %%
print(box())
