# need 4: 1 2 3 4
# need 6: 1 5 6
# %%
import random
# %%
random.seed(4)
# %%
a = random.random()
# %%
print(random.random())
# %%
random.seed(9)
# %%
print(random.randint(0, 1000))
