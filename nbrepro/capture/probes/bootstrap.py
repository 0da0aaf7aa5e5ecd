"""Be `python -m MODULE ARGS` with the probe in it: `bootstrap.py TOKEN TRACE SUBMITS MODULE ARGS`.

This is the only part of nbrepro that runs inside the observed kernel, perhaps in an environment
where nbrepro is not installed: the standard library is all it needs (Python >= 3.8). TRACE is
empty unless this probe is the tracer itself; SUBMITS is the log of what distributed engines are
given, empty for none, and beside it lies that of the environment. What the notebook can see of its
process (sys.path, sys.argv, the environment, loaded modules) is as `python -m` makes it.
"""

import os
import sys


def read_file(name):
    """Read the file `name` beside this one: give what executes it outside sys.modules and gives its
    names, and its text. Nothing of this file is needed, or left, when it is executed later."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, encoding="utf-8") as stream:
        source = stream.read()
    space = {"__name__": "nbrepro_" + name[:-3]}

    def run():
        exec(compile(source, path, "exec"), space)  # noqa: S102
        return space

    return run, source


def run_file(name):
    """Execute the file `name` beside this one now, and give its names and its text."""
    run, source = read_file(name)
    return run(), source


def install(token, trace, log):
    """Put the probe into this interpreter."""
    marks, source = run_file("marks.py")
    marks["keep"](marks, source, "/nbrepro-marker/" + token + "/")
    imports = run_file("imports.py")[0]["PostImport"]()
    if trace:
        run_file("audit.py")[0]["install"](trace, marks, imports)
    environment = log and os.path.join(os.path.dirname(log), "environment.jsonl")
    end_cell = run_file("environ.py")[0]["install"](environment, marks)
    view = run_file("variables.py")[0]["View"](log, run_file("reaching.py")[0]) if log else None
    run_file("cells.py")[0]["install"](marks, imports, end_cell, view)
    for part in ("pools.py", "aio.py"):
        run_file(part)[0]["install"](marks, imports)
    submits = run_file("submits.py")[0]["Submits"](log, marks)
    install_engines(marks, imports, submits)
    sys.meta_path.insert(0, imports)
    marks["mark"]("kernel", "loaded", str(os.getpid()))


def install_engines(marks, imports, submits):
    """Have the probes of distributed engines wait for them.

    All are read now, that no cell is said to read them, but compiled when an engine is imported:
    most notebooks import none.
    """
    from functools import partial

    run_worker, source = read_file("dask_worker.py")
    run_dask = read_file("dask.py")[0]
    run_logs = read_file("taskvine_logs.py")[0]
    run_collecting = read_file("taskvine_collecting.py")[0]
    run_taskvine = read_file("taskvine.py")[0]

    def install_dask():
        worker = run_worker()
        worker["keep"](worker, source)
        run_dask()["install"](marks, imports, submits, worker)

    def install_taskvine():
        run_taskvine()["install"](marks, imports, submits, run_logs(), run_collecting())

    for engine, act, modules in (
        ("dask", install_dask, ["distributed.client"]),
        (
            "taskvine",
            install_taskvine,
            ["ndcctools.taskvine.manager", "ndcctools.poncho.package_serverize"],
        ),
    ):
        imports.once_after(modules, partial(submits.guarded, engine, "its probe", act))


def restore(module, arguments):
    """Make sys look as it does under `python -m`."""
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]
        try:
            sys.path.insert(0, os.getcwd())
        except OSError:
            pass
    original = getattr(sys, "orig_argv", None)
    if original is not None:
        here = len(original) - len(arguments) - 5
        sys.orig_argv = [*original[:here], "-m", module, *arguments]
    sys.argv = ["-m", *arguments]


def prepare():
    """Install the probe, leave nothing of this file behind, and give what is left to call."""
    token, trace, log, module, *arguments = sys.argv[1:]
    install(token, trace, log)
    restore(module, arguments)
    import functools
    import runpy

    for name in (
        "__file__",
        "__cached__",
        "install",
        "install_engines",
        "os",
        "prepare",
        "read_file",
        "restore",
        "run_file",
        "sys",
    ):
        globals().pop(name, None)
    return functools.partial(runpy._run_module_as_main, module)


if __name__ == "__main__":
    prepare()()
