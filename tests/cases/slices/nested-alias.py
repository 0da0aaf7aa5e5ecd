# need 5: 1 2 3 5
# %%
inner = {"x": 1}
# %%
outer = {"in": inner, "n": 0}
# %%
outer["in"]["x"] += 41
# %%
spare = dict(inner)
# %%
print(inner)
