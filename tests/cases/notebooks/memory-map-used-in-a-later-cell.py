# requires: numpy
# A page of a map is read without any call: what a later cell can have read is inferred.

# %% [setup]
from pathlib import Path
Path("flat.bin").write_bytes(bytes(range(256)) * 4096)

# %%
import numpy as np
flat = np.memmap("flat.bin", dtype="uint8", mode="r")
print(flat.shape)
touched("read", "flat.bin")

# %%
print(int(flat.sum()))
inferred("read", "flat.bin")

# %%
del flat
may("read", "flat.bin", certainty="inferred")

# %%
made = np.memmap("made.bin", dtype="uint8", mode="w+", shape=(100_000,))
touched("write", "made.bin")
may("read", "made.bin")

# %%
made[:] = 7
made.flush()
inferred("write", "made.bin")
may("read", "made.bin", certainty="inferred")
