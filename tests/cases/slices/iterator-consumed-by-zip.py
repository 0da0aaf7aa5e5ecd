# need 4: 1 2 3 4
# %%
letters = iter("abcdef")
# %%
pairs = list(zip(range(2), letters))
# %%
rest = next(letters)
# %%
print(rest, list(letters))
