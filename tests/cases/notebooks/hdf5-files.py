# requires: h5py
# HDF5 opens files in C, several times for one File().

# %%
import h5py
with h5py.File("grid.h5", "w") as file:
    file["rain"] = list(range(100))
touched("write", "grid.h5")
may("read", "grid.h5")

# %%
with h5py.File("grid.h5", "r") as file:
    print(file["rain"][:].sum())
touched("read", "grid.h5")

# %%
with h5py.File("grid.h5", "a") as file:
    file["rain"].attrs["unit"] = "mm"
touched("read-write", "grid.h5")

# %%
with h5py.File("links.h5", "w") as file:
    file["far"] = h5py.ExternalLink("grid.h5", "/rain")
touched("write", "links.h5")
may("read", "links.h5")

# %%
with h5py.File("links.h5", "r") as file:
    print(file["far"][3])
touched("read", "links.h5")
touched("read", "grid.h5")
