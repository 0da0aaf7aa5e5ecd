# Two hundred cells, each with a file of its own to read and one to write.

# %% [setup]
from pathlib import Path
for number in range(1, 201):
    Path(f"{number}.in").write_text(str(number))

# %% [repeat 200]
with open("@N@.in") as source, open("@N@.out", "w") as sink:
    sink.write(source.read())
touched("read", "@N@.in")
touched("write", "@N@.out")
