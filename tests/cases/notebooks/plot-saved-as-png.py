# requires: matplotlib

# %% [setup]
from pathlib import Path
Path("points.csv").write_text("1,1\n2,4\n3,9\n")

# %%
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt

# %%
points = [tuple(map(int, line.split(","))) for line in open("points.csv")]
touched("read", "points.csv")
figure, axes = plt.subplots()
axes.plot(*zip(*points))
axes.set_title("points")
figure.savefig("points.png")
touched("write", "points.png")
may("read", "points.png")

# %%
print(plt.imread("points.png").shape)
touched("read", "points.png")
