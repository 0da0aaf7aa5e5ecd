# order: 1,2,3,3,4,3
# The same cell executed again is another execution, with its own files.

# %% [setup]
from pathlib import Path
for number in range(1, 9):
    Path(f"{number}.txt").write_text(str(number))

# %%
declared = []

# %%
name = f"{execution()}.txt"
print(open(name).read())
declared.append((execution(), name))
for number, name in declared:
    touched("read", name, execution=number)

# %%
print(open("8.txt").read())
touched("read", "8.txt")
