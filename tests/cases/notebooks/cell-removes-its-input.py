# What a cell read is evidence, even where nothing of it is left when the cell ends.

# %% [setup]
from pathlib import Path
Path("inbox.csv").write_text("1,2\n")
Path("queue").mkdir()
for number in range(3):
    Path("queue", f"{number}.job").write_text(str(number))

# %%
print(open("inbox.csv").read())
os.remove("inbox.csv")
touched("read", "inbox.csv")
touched("remove", "inbox.csv")

# %%
for number in range(3):
    print(open(f"queue/{number}.job").read())
    os.rename(f"queue/{number}.job", f"queue/{number}.done")
    touched("read", f"queue/{number}.job")
    renamed(f"queue/{number}.job", f"queue/{number}.done")

# %%
!cat queue/0.done && rm queue/0.done
touched("read", "queue/0.done")
touched("remove", "queue/0.done")
