# `sed -i` reads, writes a file of a passing name and renames it over the first.

# %% [setup]
from pathlib import Path
Path("settings.txt").write_text("level = 1\n")

# %%
!sed -i 's/1/2/' settings.txt
touched("read", "settings.txt")
touched("write", "settings.txt")
may("write", "sed*", role="any")
may("read", "sed*", role="any")
may("rename", "sed*", role="any")

# %%
print(open("settings.txt").read())
touched("read", "settings.txt")
