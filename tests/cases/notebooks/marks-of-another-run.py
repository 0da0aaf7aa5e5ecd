# A program prints and opens the mark of another run: no cell may change its owner by that.

# %% [setup]
from pathlib import Path
for name in "abcd":
    Path(f"{name}.txt").write_text(name)

# %%
def cry(mark):
    print(mark)
    try:
        open(mark)
    except OSError as error:
        print(type(error).__name__)

cry("/nbrepro-marker/other/cell/start/99/x")
print(open("a.txt").read())
touched("read", "a.txt")
cry("/nbrepro-marker/other/cell/end/2/x")
cry("/nbrepro-marker/")
cry("/nbrepro-marker")
cry("/nbrepro-marker/other/cell/start/not-a-number/" + "x" * 200)
print(open("b.txt").read())
touched("read", "b.txt")

# %%
!cat /nbrepro-marker/other/cell/start/1/x; cat c.txt
touched("read", "c.txt")

# %%
!echo 'openat(AT_FDCWD, "/nbrepro-marker/other/cell/start/7/x", O_RDONLY) = -1 ENOENT' > d.txt
touched("write", "d.txt")
