# need 3: 2 3
# %%
width = 2
# %%
from math import *
# %%
print(round(sqrt(2), 3))
