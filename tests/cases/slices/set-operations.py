# need 4: 1 2 4
# %%
seen = {1}
# %%
seen |= {2, 3}
# %%
other = seen - {1}
# %%
print(sorted(seen))
