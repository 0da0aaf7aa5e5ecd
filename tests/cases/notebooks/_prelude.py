import json
import os


def execution():
    """Give the number that the running cell's `In [n]` shows."""
    return len(get_ipython().user_ns["In"]) - 1


def real(path, follow=True):
    """Give the absolute path without symbolic links (of the directory only, for a link itself)."""
    path = os.fsdecode(path)
    if follow:
        return os.path.realpath(path)
    head, name = os.path.split(path)
    return os.path.join(os.path.realpath(head), name)


def touched(mode, path, follow=True, word="@touched", **more):
    """Declare that this cell did `mode` to `path`."""
    if "target" in more:
        more["target"] = real(more["target"])
    print(word, json.dumps({"mode": mode, "path": real(path, follow), **more}))


def renamed(old, new, **more):
    """Declare that this cell gave the file `old` the name `new`."""
    touched("rename", old, target=new, **more)
    touched("write", new, **more)


def inferred(mode, path, **more):
    """Declare a use that no system call of this cell names: through a handle or a memory map."""
    touched(mode, path, word="@touched", certainty="inferred", **more)


def may(mode, path, **more):
    """Declare what is right to report, and right to leave out."""
    touched(mode, path, word="@may", **more)


def package(name, version, manager="pip"):
    """Declare that this cell made the kernel, or a child, open files of a package."""
    print("@package", json.dumps({"name": name, "version": version, "manager": manager}))
