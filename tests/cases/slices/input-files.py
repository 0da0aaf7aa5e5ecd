# files
# inputs: data/a.txt=7 data/b.txt=8 unused.txt=x
# need 3: 1 3
# need 4: 2 4
# %%
from pathlib import Path
one = int(Path("data/a.txt").read_text())
# %%
import glob
every = sorted(glob.glob("data/*.txt"))
# %%
print(one * 2)
# %%
print(every)
