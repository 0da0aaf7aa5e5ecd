# need 4: 1 2 4
# %%
gen = (n * n for n in range(5))
# %%
first = next(gen)
# %%
k = 3
# %%
print(list(gen))
