# Devices, /proc and the machine's own settings are touched, and are not the notebook's data.

# %% [setup]
from pathlib import Path
Path("data.txt").write_text("data")

# %%
import pwd, shutil, socket
print(pwd.getpwuid(0).pw_name, open("/proc/self/comm").read(), len(open("/dev/urandom", "rb").read(4)))
open("/dev/null", "w").write("nothing")
print(len(open("/proc/cpuinfo").read()) > 0, len(open("/etc/os-release").read()) > 0)

# %%
print(open("/proc/self/cwd/data.txt").read())
touched("read", "data.txt")

# %%
handle = os.open("data.txt", os.O_RDONLY)
print(open(f"/dev/fd/{handle}").read())
os.close(handle)
touched("read", "data.txt")

# %%
print(shutil.which("sh") is not None, len(socket.gethostname()) > 0)

# %%
from multiprocessing import Lock, shared_memory
with Lock():
    shared = shared_memory.SharedMemory(create=True, size=100)
    shared.buf[0] = 7
    shared.close()
    shared.unlink()
