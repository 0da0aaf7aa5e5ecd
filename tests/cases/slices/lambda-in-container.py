# need 4: 1 2 3 4
# %%
unit = "m"
# %%
show = {"len": lambda x: f"{x} {unit}"}
# %%
unit = "km"
# %%
print(show["len"](3))
