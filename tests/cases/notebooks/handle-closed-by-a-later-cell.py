# The later cell reads to the end and closes: nothing of the handle is left when the cell ends.

# %% [setup]
from pathlib import Path
Path("long.txt").write_text("0123456789\n" * 40_000)

# %%
stream = open("long.txt")
print(stream.readline())
touched("read", "long.txt")

# %%
with stream:
    print(len(stream.read()))
inferred("read", "long.txt")

# %%
print("closed")
