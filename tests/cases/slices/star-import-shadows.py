# need 3: 2 3
# %%
floor = "mine"
# %%
from math import *
# %%
print(floor(2.5))
