# need 4: 1 2 3 4
# %%
import itertools
# %%
numbers = itertools.count(5)
# %%
first = list(itertools.islice(numbers, 2))
# %%
print(next(numbers))
