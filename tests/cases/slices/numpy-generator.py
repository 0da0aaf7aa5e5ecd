# requires: numpy
# need 5: 1 2 3 5
# %%
import numpy as np
# %%
rng = np.random.default_rng(3)
# %%
a = rng.normal(size=2)
# %%
other = np.random.default_rng(4)
# %%
print(rng.integers(0, 100, 3))
