# requires: numpy
# need 4: 1 2 3 4
# %%
import numpy as np
# %%
cells = np.empty(2, object); cells[:] = [[1], [2]]
# %%
cells[0].append(5)
# %%
print(cells.tolist())
