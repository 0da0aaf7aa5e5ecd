# requires: numpy
# need 5: 1 2 5
# %%
import numpy as np
# %%
grid = np.zeros((2, 2), int)
# %%
mine = grid.copy()
# %%
mine[0] = 5
# %%
print(grid)
