# requires: numpy
# need 5: 1 2 3 4 5
# %%
import numpy as np
# %%
grid = np.zeros((3, 3), int)
# %%
row = grid[1]
# %%
row[:] = 7
# %%
print(grid)
