# files
# inputs: own.py=LEVEL=3
# need 2: 1 2
# need 4: 4
# %%
import own
own.LEVEL += 1
# %%
import own
print(own.LEVEL)
# %%
spare = 1
# %%
print("no module")
