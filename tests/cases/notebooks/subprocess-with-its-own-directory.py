# A child's cwd is its own: the same relative name means another file for it.

# %% [setup]
from pathlib import Path
for name in ("here", "there"):
    Path(name).mkdir()
    Path(name, "data.txt").write_text(name)
Path("data.txt").write_text("top")

# %%
import subprocess, sys
print(subprocess.run(["cat", "data.txt"], cwd="there", capture_output=True, text=True).stdout)
touched("read", "there/data.txt")
print(open("data.txt").read())
touched("read", "data.txt")

# %%
program = """
import os
os.chdir("here")
open("made.txt", "w").write(open("data.txt").read())
os.chdir("../there")
open("made.txt", "w").write(open("../here/data.txt").read())
"""
subprocess.run([sys.executable, "-c", program], check=True)
touched("read", "here/data.txt")
touched("write", "here/made.txt")
touched("write", "there/made.txt")

# %%
print(subprocess.run("cd here && (cd ../there && cat made.txt) && cat made.txt", shell=True,
                     capture_output=True, text=True).stdout)
touched("read", "there/made.txt")
touched("read", "here/made.txt")

# %%
with open("data.txt") as source, open("sorted.txt", "w") as sink:
    subprocess.run(["sort"], stdin=source, stdout=sink, check=True)
touched("read", "data.txt")
touched("write", "sorted.txt")
