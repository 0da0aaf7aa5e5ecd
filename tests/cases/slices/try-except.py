# need 3: 2 3
# %%
value = 1
# %%
try:
    value = int("x")
except ValueError:
    value = -1
# %%
print(value)
