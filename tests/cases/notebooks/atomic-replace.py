# Write beside, then rename over: the reader after it reads the new content under the old name.

# %% [setup]
from pathlib import Path
Path("results.json").write_text("[0]")
Path("unrelated.txt").write_text("u")

# %%
import hashlib
print(open("results.json").read())
touched("read", "results.json", sha256=hashlib.sha256(b"[0]").hexdigest())

# %%
with open("results.json.part", "w") as stream:
    stream.write("[1]")
os.replace("results.json.part", "results.json")
touched("write", "results.json.part")
touched("rename", "results.json.part", target="results.json")
touched("write", "results.json", sha256=hashlib.sha256(b"[1]").hexdigest())

# %%
print(open("results.json").read())
touched("read", "results.json", sha256=hashlib.sha256(b"[1]").hexdigest())

# %%
import shutil
shutil.move("results.json", "archive.json")
renamed("results.json", "archive.json")

# %%
!mv archive.json back.json && cat back.json
renamed("archive.json", "back.json")
touched("read", "back.json")
