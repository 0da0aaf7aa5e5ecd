# requires: uproot awkward

# %%
import numpy as np
import uproot

# %%
with uproot.recreate("muons.root") as file:
    file["Events"] = {"pt": np.arange(100.0), "charge": np.ones(100, dtype="int32")}
touched("write", "muons.root")
may("read", "muons.root")

# %%
with uproot.open("muons.root:Events") as events:
    print(events["pt"].array(library="np").sum())
touched("read", "muons.root")

# %%
with uproot.open("muons.root", handler=uproot.source.file.MultithreadedFileSource) as file:
    print(file["Events/charge"].array(library="np").sum())
touched("read", "muons.root")
