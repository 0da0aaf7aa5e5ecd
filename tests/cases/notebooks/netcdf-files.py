# requires: netCDF4

# %%
from netCDF4 import Dataset
with Dataset("tas.nc", "w") as file:
    file.createDimension("time", 10)
    file.createVariable("tas", "f4", ("time",))[:] = range(10)
touched("write", "tas.nc")
may("read", "tas.nc")

# %%
with Dataset("tas.nc") as file:
    print(float(file["tas"][:].mean()))
touched("read", "tas.nc")

# %%
with Dataset("classic.nc", "w", format="NETCDF3_CLASSIC") as file:
    file.createDimension("time", 3)
    file.createVariable("tas", "f4", ("time",))[:] = 1
touched("write", "classic.nc")
may("read", "classic.nc")

# %%
with Dataset("classic.nc") as file:
    print(file["tas"][:].sum())
touched("read", "classic.nc")
