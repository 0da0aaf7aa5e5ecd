# need 3: 3
# %%
x = 1
# %%
del x
# %%
try:
    print(x)
except NameError as error:
    print("gone")
