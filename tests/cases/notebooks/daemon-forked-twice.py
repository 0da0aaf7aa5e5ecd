# A daemon leaves its parent and its session, and still belongs to the cell that made it.

# %% [setup]
from pathlib import Path
Path("slow.txt").write_text("slow")

# %%
import sys, time
first = os.fork()
if first == 0:
    os.setsid()
    if os.fork() == 0:
        deadline = time.monotonic() + 20
        while not os.path.exists("go") and time.monotonic() < deadline:
            time.sleep(0.05)
        with open("daemon.part", "w") as sink:
            sink.write(open("slow.txt").read())
        os.rename("daemon.part", "daemon.txt")
    os._exit(0)
os.waitpid(first, 0)
touched("read", "slow.txt")
touched("write", "daemon.part")
touched("rename", "daemon.part", target="daemon.txt")
touched("write", "daemon.txt")

# %%
os.mkdir("go")
deadline = time.monotonic() + 20
while not os.path.exists("daemon.txt") and time.monotonic() < deadline:
    time.sleep(0.05)
print(open("daemon.txt").read())
touched("read", "daemon.txt")
