# The C library opens files through ctypes: no Python hook could see it, system calls show it.

# %% [setup]
from pathlib import Path
Path("in.dat").write_bytes(b"0123456789")

# %%
import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(b"in.dat", b"r"))
buffer = ctypes.create_string_buffer(11)
libc.fread(buffer, 1, 10, stream)
libc.fclose(stream)
print(buffer.value)
touched("read", "in.dat")

# %%
handle = libc.creat(b"made.dat", 0o644)
libc.write(handle, b"xyz", 3)
libc.close(handle)
touched("write", "made.dat")
libc.rename(b"made.dat", b"named.dat")
renamed("made.dat", "named.dat")

# %%
libc.system(b"cat named.dat > copied.dat")
touched("read", "named.dat")
touched("write", "copied.dat")
libc.truncate(b"copied.dat", ctypes.c_long(1))
libc.remove(b"named.dat")
touched("remove", "named.dat")

# %%
print(os.path.getsize("copied.dat"))
os.truncate("copied.dat", 0)
touched("write", "copied.dat")
