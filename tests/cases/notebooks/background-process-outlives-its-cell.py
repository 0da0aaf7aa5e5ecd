# A process started in one cell works while a later cell runs; its files are the first cell's.

# %% [setup]
from pathlib import Path
Path("slow.txt").write_text("slow")
Path("quick.txt").write_text("quick")

# %%
import subprocess
background = subprocess.Popen(
    ["sh", "-c", "while ! [ -d go ]; do sleep 0.1; done; cat slow.txt > result.txt"]
)
touched("read", "slow.txt")
touched("write", "result.txt")

# %%
os.mkdir("go")
print(background.wait(20))
print(open("quick.txt").read())
touched("read", "quick.txt")

# %%
print(open("result.txt").read())
touched("read", "result.txt")
