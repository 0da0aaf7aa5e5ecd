# os.chdir and %cd last into later cells, and a thread's chdir is everybody's.

# %% [setup]
from pathlib import Path
for name in (".", "one", "one/two"):
    Path(name).mkdir(exist_ok=True)
    Path(name, "data.txt").write_text(name)

# %%
os.chdir("one")
print(open("data.txt").read())
touched("read", "data.txt")

# %%
print(open("data.txt").read(), open("../data.txt").read())
touched("read", "data.txt")
touched("read", "../data.txt")

# %%
%cd two
open("made.txt", "w").close()
touched("write", "made.txt")

# %%
!cat data.txt > shell.txt
touched("read", "data.txt")
touched("write", "shell.txt")

# %%
import threading
up = threading.Thread(target=os.chdir, args=("../..",))
up.start()
up.join()
print(open("data.txt").read())
touched("read", "data.txt")

# %%
handle = os.open("one", os.O_RDONLY)
os.fchdir(handle)
os.close(handle)
open("last.txt", "w").close()
touched("write", "last.txt")
