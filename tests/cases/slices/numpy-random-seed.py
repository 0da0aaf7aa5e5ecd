# requires: numpy
# need 5: 1 2 3 5
# %%
import numpy as np
# %%
np.random.seed(0)
# %%
a = np.random.rand(3)
# %%
b = np.arange(3).sum()
# %%
print(np.random.rand(2))
