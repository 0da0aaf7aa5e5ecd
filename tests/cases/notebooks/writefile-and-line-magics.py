# The magics writefile, capture and timeit act for the cell that holds them.

# %% [setup]
from pathlib import Path
Path("a.txt").write_text("a")

# %%
%%writefile notes.txt
a note

# %%
touched("write", "notes.txt", execution=execution() - 1)
print(open("notes.txt").read())
touched("read", "notes.txt")

# %%
%%writefile -a notes.txt
another

# %%
touched("write", "notes.txt", execution=execution() - 1)

# %%
%%capture captured
print(open("a.txt").read())

# %%
touched("read", "a.txt", execution=execution() - 1)
%timeit -n1 -r2 -q open("notes.txt").read()
touched("read", "notes.txt")
captured.show()
