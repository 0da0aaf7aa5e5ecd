# need 3: 1 2 3
# need 5: 5
# %%
def put(x, seen=[]):
    seen.append(x)
    return seen
# %%
_ignored = put(1)
# %%
print(put(2))
# %%
y = 3
# %%
print("nothing")
