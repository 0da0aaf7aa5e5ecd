# requires: numpy

# %%
import numpy as np
np.save("grid.npy", np.arange(1000.0).reshape(10, 100))
touched("write", "grid.npy")
np.savez("two.npz", a=np.zeros(3), b=np.ones(4))
touched("write", "two.npz")
may("read", "two.npz")
np.savetxt("table.txt", np.eye(3))
touched("write", "table.txt")

# %%
print(np.load("grid.npy").sum(), np.load("two.npz")["b"], np.loadtxt("table.txt").trace())
touched("read", "grid.npy")
touched("read", "two.npz")
touched("read", "table.txt")

# %%
np.arange(100, dtype="int32").tofile("flat.bin")
touched("write", "flat.bin")
print(np.fromfile("flat.bin", dtype="int32")[-1])
touched("read", "flat.bin")
