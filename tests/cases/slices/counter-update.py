# need 4: 1 2 3 4
# %%
from collections import Counter
# %%
c = Counter("abca")
# %%
c.update("bb")
# %%
print(sorted(c.items()))
