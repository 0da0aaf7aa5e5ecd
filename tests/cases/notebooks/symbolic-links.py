# Links to files and directories: the path is where the file is, the name is what was said.

# %% [setup]
import os
from pathlib import Path
Path("real/deep").mkdir(parents=True)
Path("real/data.txt").write_text("data")
Path("real/deep/more.txt").write_text("more")
os.symlink("real/data.txt", "to-file")
os.symlink("real", "to-directory")
os.symlink("to-directory/deep", "chain")
os.symlink("real/made.txt", "dangling")
os.symlink("loop", "loop")

# %%
print(open("to-file").read())
touched("read", "to-file", named="to-file")

# %%
print(open("to-directory/data.txt").read(), open("chain/more.txt").read())
touched("read", "to-directory/data.txt", named="to-directory/data.txt")
touched("read", "chain/more.txt")

# %%
open("dangling", "w").write("made")
touched("write", "dangling")
open("to-directory/new.txt", "w").close()
touched("write", "to-directory/new.txt")

# %%
os.rename("to-directory/new.txt", "chain/newer.txt")
touched("rename", "to-directory/new.txt", target="chain/newer.txt")
touched("write", "chain/newer.txt")
os.remove("to-directory/deep/newer.txt")
touched("remove", "real/deep/newer.txt")

# %%
os.chdir("chain")
print(open("../data.txt").read())
touched("read", "../data.txt")
os.chdir("../..")

# %%
os.remove("to-file")
touched("remove", "to-file", follow=False, role="any")
try:
    open("loop")
except OSError as error:
    print(type(error).__name__)

# %%
os.symlink("real/data.txt", "made-link")
may("write", "made-link", follow=False, role="any")
os.link("real/data.txt", "hard-link")
touched("write", "hard-link")
may("read", "real/data.txt")
print(open("made-link").read(), open("hard-link").read())
touched("read", "made-link")
touched("read", "hard-link")
