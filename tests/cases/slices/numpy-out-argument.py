# requires: numpy
# need 4: 1 2 3 4
# %%
import numpy as np
# %%
a = np.arange(4); b = np.zeros(4, int)
# %%
np.multiply(a, 2, out=b)
None
# %%
print(b)
