# Making, listing, globbing and removing directories: of the files in them only what is opened.

# %% [setup]
from pathlib import Path
Path("many").mkdir()
for number in range(5):
    Path("many", f"{number}.csv").write_text(str(number))

# %%
os.makedirs("new/er")
touched("write", "new/er", role="directory")
print(sorted(os.listdir("many")))
touched("read", "many", role="directory")

# %%
import glob
print([open(name).read() for name in sorted(glob.glob("many/[0-2].csv"))])
for number in range(3):
    touched("read", f"many/{number}.csv")

# %%
import shutil
shutil.copytree("many", "copy")
for number in range(5):
    touched("read", f"many/{number}.csv")
    touched("write", f"copy/{number}.csv")

# %%
shutil.rmtree("many")
for number in range(5):
    touched("remove", f"many/{number}.csv")
touched("remove", "many", role="directory")
os.rmdir("new/er")

# %%
os.rename("copy", "renamed")
print(open("renamed/4.csv").read())
touched("read", "renamed/4.csv")
