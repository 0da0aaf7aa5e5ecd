# requires: numpy
# need 5: 1 2 3 5
# %%
import numpy as np
# %%
a = np.array([3, 1, 2])
# %%
a.sort()
# %%
m = a.mean()
# %%
print(a)
