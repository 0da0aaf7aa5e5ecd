# need 4: 1 2 3 4
# %%
def tick():
    tick.count += 1
    return tick.count
# %%
tick.count = 0
# %%
tick()
None
# %%
print(tick.count)
