# A pipe with a name: one cell's child writes, the cell reads; no content to keep.

# %%
import subprocess
os.mkfifo("pipe")
writer = subprocess.Popen(["sh", "-c", "echo through > pipe"])
with open("pipe") as stream:
    print(stream.read())
writer.wait(20)
touched("write", "pipe")
touched("read", "pipe")

# %%
os.remove("pipe")
touched("remove", "pipe", role="any")
