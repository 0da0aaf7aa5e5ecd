# need 4: 1 4
# %%
i = "outer"
# %%
squares = [i * i for i in range(4)]
# %%
table = {i: j for i, j in zip("ab", squares)}
# %%
print(i)
