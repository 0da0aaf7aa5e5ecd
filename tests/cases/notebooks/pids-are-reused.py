# The kernel hands a dead child's pid to another cell's child. Where a plain user may not ask for
# one, sixty short children a cell do what they can.

# %% [setup]
from pathlib import Path
for name in "abc":
    Path(f"{name}.txt").write_text(name)

# %%
wanted = 0

def child_reads(name):
    """Read in a child that has the pid of the last one, where the kernel lets us choose."""
    global wanted
    for _ in range(20):
        try:
            if wanted:
                with open("/proc/sys/kernel/ns_last_pid", "w") as stream:
                    stream.write(str(wanted - 1))
        except OSError:
            pass
        child = os.fork()
        if child == 0:
            try:
                if not wanted or os.getpid() == wanted:
                    open(f"{name}.txt").read()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        if wanted in (0, child):
            break
    wanted = wanted or child
    return child == wanted

child_reads("a")
touched("read", "a.txt")

# %%
if child_reads("b"):
    touched("read", "b.txt")

# %%
if child_reads("c"):
    touched("read", "c.txt")

# %%
for number in range(60):
    child = os.fork()
    if child == 0:
        open("a.txt" if number % 2 else "b.txt").read()
        os._exit(0)
    os.waitpid(child, 0)
touched("read", "a.txt")
touched("read", "b.txt")

# %%
!for n in 1 2 3 4 5 6 7 8 9 10; do cat c.txt; done
touched("read", "c.txt")
