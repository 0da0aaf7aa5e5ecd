# need 4: 1 2 4
# %%
import os
# %%
os.environ["SLICE_MODE"] = "fast"
# %%
speed = 2
# %%
print(os.environ["SLICE_MODE"])
