# Many children at once, interleaved in the trace, from one cell and the next.

# %% [setup]
from pathlib import Path
Path("in").mkdir()
Path("out").mkdir()
for number in range(16):
    Path("in", f"{number}.txt").write_text(str(number))

# %%
!find in -name '*.txt' -print0 | xargs -0 -P 4 -n 1 cat > all.txt
for number in range(16):
    touched("read", f"in/{number}.txt")
touched("write", "all.txt")

# %%
import subprocess
children = [subprocess.Popen(["cp", f"in/{number}.txt", "out/"]) for number in range(16)]
print({child.wait(20) for child in children})
for number in range(16):
    touched("read", f"in/{number}.txt")
    touched("write", f"out/{number}.txt")
