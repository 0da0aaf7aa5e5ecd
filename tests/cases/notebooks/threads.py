# Threads are not processes: twenty of them at once, one cell; a cell's thread outlives it.

# %% [setup]
from pathlib import Path
Path("in").mkdir()
for number in range(20):
    Path("in", f"{number}.txt").write_text(str(number) * 10)

# %%
import threading
os.mkdir("out")

def copy(number):
    for _ in range(5):
        with open(f"in/{number}.txt") as source, open(f"out/{number}.txt", "w") as sink:
            sink.write(source.read())

workers = [threading.Thread(target=copy, args=(number,)) for number in range(20)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
for number in range(20):
    touched("read", f"in/{number}.txt")
    touched("write", f"out/{number}.txt")

# %%
go = threading.Event()

def wait_and_write():
    go.wait(20)
    with open("late.txt", "w") as sink:
        sink.write(open("in/3.txt").read())

late = threading.Thread(target=wait_and_write)
late.start()
touched("write", "late.txt")
touched("read", "in/3.txt")

# %%
go.set()
late.join(20)
print(open("in/4.txt").read())
touched("read", "in/4.txt")
