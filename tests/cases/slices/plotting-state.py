# requires: matplotlib
# need 5: 1 2 3 5
# %%
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
# %%
fig, ax = plt.subplots()
# %%
ax.plot([1, 2, 3])
None
# %%
title = "not used"
# %%
print(len(ax.lines))
