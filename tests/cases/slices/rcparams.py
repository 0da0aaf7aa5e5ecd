# requires: matplotlib
# need 4: 1 2 4
# %%
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
# %%
plt.rcParams["figure.figsize"] = (3, 2)
# %%
n = 4
# %%
fig = plt.figure()
print(fig.get_size_inches())
