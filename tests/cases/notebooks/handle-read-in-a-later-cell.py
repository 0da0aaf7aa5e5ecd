# A handle opened earlier is used later: no open shows it, its offset does. Inferred, never exact.

# %% [setup]
from pathlib import Path
Path("long.txt").write_text("0123456789\n" * 40_000)
Path("idle.txt").write_text("0123456789\n" * 40_000)

# %%
stream = open("long.txt")
idle = open("idle.txt")
log = open("log.txt", "w")
print(stream.readline(), idle.readline())
touched("read", "long.txt")
touched("read", "idle.txt")
touched("write", "log.txt")

# %%
print(len(stream.read(200_000)))
inferred("read", "long.txt")

# %%
log.write("line\n" * 10)
log.flush()
inferred("write", "log.txt")

# %%
import subprocess
print(len(subprocess.run(["head", "-c", "1000"], stdin=stream, capture_output=True).stdout))
inferred("read", "long.txt")

# %%
print("no file moves here")
