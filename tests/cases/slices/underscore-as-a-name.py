# need 3: 2 3
# %%
40 + 2
None
# %%
for _ in range(3):
    pass
# %%
print(_)
