# pathlib, os.open with every access mode, and opens relative to a directory's descriptor.

# %% [setup]
from pathlib import Path
Path("deep/er").mkdir(parents=True)
Path("deep/er/note.txt").write_text("note")
Path("raw.bin").write_bytes(bytes(range(256)))

# %%
from pathlib import Path
print((Path.cwd() / "deep" / ".." / "deep" / "er" / "note.txt").read_text())
touched("read", "deep/er/note.txt")
Path("deep/copy.txt").write_bytes(b"copy")
touched("write", "deep/copy.txt")

# %%
handle = os.open("raw.bin", os.O_RDONLY | os.O_CLOEXEC)
print(len(os.read(handle, 100)))
os.close(handle)
touched("read", "raw.bin")
handle = os.open("new.bin", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
os.write(handle, b"x" * 10)
os.close(handle)
touched("write", "new.bin")

# %%
handle = os.open("raw.bin", os.O_RDWR)
os.pwrite(handle, b"!", 5)
print(os.pread(handle, 3, 4))
os.close(handle)
touched("read-write", "raw.bin")

# %%
directory = os.open("deep", os.O_RDONLY | os.O_DIRECTORY)
handle = os.open("er/note.txt", os.O_RDONLY, dir_fd=directory)
print(os.read(handle, 9))
os.close(handle)
os.rename("copy.txt", "er/moved.txt", src_dir_fd=directory, dst_dir_fd=directory)
os.unlink("er/moved.txt", dir_fd=directory)
os.close(directory)
touched("read", "deep/er/note.txt")
renamed("deep/copy.txt", "deep/er/moved.txt")
touched("remove", "deep/er/moved.txt")
