# requires: matplotlib
# need 3: 1 2 3
# %%
import matplotlib as mpl
# %%
mpl.rc("lines", linewidth=7)
# %%
print(mpl.rcParams["lines.linewidth"])
