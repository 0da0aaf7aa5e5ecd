# requires: numpy
# need 3: 1 2 3
# %%
import numpy as np
# %%
np.set_printoptions(precision=2)
# %%
print(np.array([1 / 3, 2 / 3]))
