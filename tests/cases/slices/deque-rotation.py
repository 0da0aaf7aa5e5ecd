# need 4: 1 2 3 4
# %%
from collections import deque
# %%
d = deque([1, 2, 3])
# %%
d.rotate(1)
# %%
print(list(d))
