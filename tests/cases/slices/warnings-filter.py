# need 3: 1 2 3
# %%
import warnings
# %%
warnings.simplefilter("error")
# %%
try:
    warnings.warn("oops")
except UserWarning as error:
    print("raised", error)
