# need 4: 1 2 3 4
# %%
order = {"b": 0, "a": 1}
# %%
def rank(x):
    return order[x]
# %%
words = ["a", "b"]
# %%
print(sorted(words, key=rank))
