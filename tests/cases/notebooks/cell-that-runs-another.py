# run_cell and %run of a notebook fire a cell's hooks inside a cell: what follows is still its own.

# %% [setup]
import json
from pathlib import Path
for name in "abcde":
    Path(f"{name}.txt").write_text(name)
code = {"cell_type": "code", "id": "inner", "metadata": {}, "outputs": [], "execution_count": None,
        "source": "print(open('d.txt').read())"}
Path("inner.ipynb").write_text(json.dumps(
    {"cells": [code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))

# %%
print(open("a.txt").read())
touched("read", "a.txt")
get_ipython().run_cell("print(open('b.txt').read())")
touched("read", "b.txt")
print(open("c.txt").read())
touched("read", "c.txt")

# %%
%run inner.ipynb
touched("read", "inner.ipynb", role="any")
touched("read", "d.txt")
print(open("e.txt").read())
touched("read", "e.txt")
