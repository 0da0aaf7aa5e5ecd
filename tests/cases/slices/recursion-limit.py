# need 3: 1 2 3
# %%
import sys
# %%
sys.setrecursionlimit(4321)
# %%
print(sys.getrecursionlimit())
