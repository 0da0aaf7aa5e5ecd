# %run executes a script in the kernel; the script is code, what it opens is the cell's data.

# %% [setup]
from pathlib import Path
Path("numbers.txt").write_text("1 2 3")
Path("total.py").write_text(
    "import sys\n"
    "total = sum(map(int, open(sys.argv[1]).read().split()))\n"
    "open('total.txt', 'w').write(str(total))\n"
)
Path("count.sh").write_text("#!/bin/sh\nwc -c < numbers.txt > count.txt\n")
Path("count.sh").chmod(0o755)

# %%
%run total.py numbers.txt
print(total)
touched("read", "total.py", role="code")
touched("read", "numbers.txt")
touched("write", "total.txt")

# %%
import subprocess, sys
subprocess.run([sys.executable, "total.py", "total.txt"], check=True)
touched("read", "total.py", role="code")
touched("read", "total.txt")
touched("write", "total.txt")

# %%
!./count.sh
touched("execute", "count.sh", role="code")
may("read", "count.sh", role="any")
touched("read", "numbers.txt")
touched("write", "count.txt")
