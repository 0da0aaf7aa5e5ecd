# What could not be opened, removed or renamed was not touched.

# %% [setup]
from pathlib import Path
Path("there.txt").write_text("there")
Path("folder").mkdir()

# %%
for attempt in (
    lambda: open("missing.txt"),
    lambda: open("missing/folder.txt", "w"),
    lambda: open("there.txt/below.txt"),
    lambda: open("there.txt", "x"),
    lambda: open("folder", "w"),
    lambda: os.remove("missing.txt"),
    lambda: os.remove("folder"),
    lambda: os.rename("missing.txt", "new.txt"),
    lambda: os.mkdir("folder"),
    lambda: os.rmdir("missing"),
    lambda: os.chdir("missing"),
    lambda: open("n" * 256),
    lambda: open("missing.txt", "r+"),
):
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__)

# %%
try:
    print(open("missing.txt").read())
except FileNotFoundError:
    print(open("there.txt").read())
touched("read", "there.txt")

# %%
!cat missing.txt; ls nowhere; ./no-such-program
