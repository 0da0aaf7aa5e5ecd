# The same path holds three contents: a reader's version is the one of its own cell.

# %% [setup]
from pathlib import Path
Path("data.txt").write_text("first")

# %%
import hashlib

def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()

print(open("data.txt").read())
touched("read", "data.txt", sha256=digest("first"))

# %%
os.remove("data.txt")
touched("remove", "data.txt")

# %%
with open("data.txt", "w") as stream:
    stream.write("second")
touched("write", "data.txt", sha256=digest("second"))

# %%
print(open("data.txt").read())
touched("read", "data.txt", sha256=digest("second"))
with open("data.txt", "w") as stream:
    stream.write("third")
touched("write", "data.txt", sha256=digest("third"))

# %%
os.remove("data.txt")
with open("data.txt", "w") as stream:
    stream.write("fourth")
touched("remove", "data.txt")
touched("write", "data.txt", sha256=digest("fourth"))
