# need 4: 1 2 4
# need 6: 1 6
# %%
debug = True
# %%
if debug:
    level = "high"
else:
    level = "low"
# %%
spare = 3
# %%
print(level)
# %%
if not debug:
    debug = 5
# %%
print(debug)
