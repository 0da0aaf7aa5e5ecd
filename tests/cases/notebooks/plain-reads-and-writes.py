# One cell reads, the next writes, the third reads what was written: three owners.

# %% [setup]
from pathlib import Path
Path("input.csv").write_text("a,b\n1,2\n3,4\n")

# %%
with open("input.csv") as stream:
    rows = stream.read().split()
touched("read", "input.csv")

# %%
import hashlib
text = "\n".join(reversed(rows))
with open("output.csv", "w") as stream:
    stream.write(text)
touched("write", "output.csv", sha256=hashlib.sha256(text.encode()).hexdigest())

# %%
print(open("output.csv").read())
touched("read", "output.csv", sha256=hashlib.sha256(text.encode()).hexdigest())

# %%
with open("output.csv", "a") as stream:
    stream.write("\nmore")
touched("write", "output.csv", sha256=hashlib.sha256((text + "\nmore").encode()).hexdigest())

# %%
with open("output.csv", "r+") as stream:
    first = stream.readline()
    stream.seek(0)
    stream.write(first.upper())
touched("read-write", "output.csv")

# %%
print(len(rows), "rows, and no file at all in this cell")
