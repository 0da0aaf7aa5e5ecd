# need 4: 1 2 3 4
# %%
count = 0
# %%
def bump():
    global count
    count += 1
# %%
bump()
# %%
print(count)
