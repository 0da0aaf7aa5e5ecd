# Opening for writing counts, though the bytes stay what they were; asking about a file does not.

# %% [setup]
from pathlib import Path
Path("same.txt").write_text("same")
Path("asked.txt").write_text("asked")

# %%
import hashlib
same = hashlib.sha256(b"same").hexdigest()
with open("same.txt", "w") as stream:
    stream.write("same")
touched("write", "same.txt", sha256=same)

# %%
open("same.txt", "a").close()
touched("write", "same.txt", sha256=same)

# %%
print(os.path.exists("asked.txt"), os.path.getsize("asked.txt"), os.access("asked.txt", os.R_OK))
os.chmod("asked.txt", 0o600)

# %%
print(open("same.txt").read())
touched("read", "same.txt", sha256=same)
