# Files that are only listed, only looked at, or found by a pattern; and one that must be absent.
# prelude: none
# %% [setup]
import os
os.makedirs("inputs/deep")
for name in ("a.csv", "b.csv", "note.txt", "deep/c.csv"):
    open(f"inputs/{name}", "w").write(name)
os.symlink("a.csv", "inputs/latest")
# %%
import glob, os, pathlib
print(sorted(glob.glob("inputs/*")), sorted(map(str, pathlib.Path("inputs").rglob("*.csv"))))
# %%
print(os.path.getsize("inputs/b.csv"), os.path.exists("inputs/absent.csv"), os.readlink("inputs/latest"))
# %%
print([open(name).read() for name in sorted(glob.glob("inputs/*.csv"))], os.path.isdir("inputs/deep"))
# %%
print(os.access("/usr/bin/env", os.X_OK), os.path.exists("/usr/share/zoneinfo/UTC"))
