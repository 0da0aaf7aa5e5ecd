# files
# inputs: own.py=N=[];bump=N.append
# need 4: 1 2 4
# %%
import own
# %%
own.bump(1)
# %%
spare = 1
# %%
from own import N
print(N)
