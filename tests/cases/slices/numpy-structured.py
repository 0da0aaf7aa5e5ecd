# requires: numpy
# need 4: 1 2 3 4
# %%
import numpy as np
# %%
t = np.zeros(2, dtype=[("a", int), ("b", float)])
# %%
t["a"][1] = 4
# %%
print(t)
