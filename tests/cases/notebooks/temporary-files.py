# Files made and removed in the run are temporary; a file without any name is nobody's data.

# %%
import tempfile
with tempfile.NamedTemporaryFile("w") as scratch:
    scratch.write("scratch")
    name = scratch.name
touched("write", name, role="temporary")
touched("remove", name, role="temporary")
may("read", name, role="temporary")

# %%
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "part.txt")
    open(path, "w").write("part")
    print(open(path).read())
touched("write", path, role="temporary")
touched("read", path, role="temporary")
touched("remove", path, role="temporary")

# %%
with tempfile.TemporaryFile() as nameless:
    nameless.write(b"x")
with tempfile.SpooledTemporaryFile(max_size=1) as spooled:
    spooled.write(b"more than one byte")

# %%
handle, made = tempfile.mkstemp(suffix=".txt")
os.write(handle, b"kept until the next cell")
os.close(handle)
touched("write", made, role="temporary")
may("read", made, role="temporary")

# %%
print(open(made).read())
touched("read", made, role="temporary")
os.remove(made)
touched("remove", made, role="temporary")
