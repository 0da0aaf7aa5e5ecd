# os.fork: the child inherits the cell, its directory and its descriptors.

# %% [setup]
from pathlib import Path
Path("a.txt").write_text("a")
Path("b.txt").write_text("b")
Path("sub").mkdir()

# %%
def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

def work():
    os.chdir("sub")
    with open("from-child.txt", "w") as sink:
        sink.write(open("../a.txt").read())

in_child(work)
touched("read", "a.txt")
touched("write", "sub/from-child.txt")

# %%
def grandchild():
    in_child(lambda: open("b.txt").read())
    os.execvp("cat", ["cat", "sub/from-child.txt"])

in_child(grandchild)
touched("read", "b.txt")
touched("read", "sub/from-child.txt")
print(os.listdir("sub"))

# %%
actions = [(os.POSIX_SPAWN_OPEN, 1, "spawned.txt", os.O_WRONLY | os.O_CREAT, 0o644)]
child = os.posix_spawnp("cat", ["cat", "a.txt"], os.environ, file_actions=actions)
print(os.waitpid(child, 0)[1])
touched("read", "a.txt")
touched("write", "spawned.txt")
