# requires: matplotlib
# need 5: 1 2 3 5
# %%
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
# %%
plt.plot([1, 2])
None
# %%
plt.plot([2, 1])
None
# %%
spare = 5
# %%
print(len(plt.gca().lines))
