import json
import os
import time

import ndcctools.taskvine as vine


def execution():
    """Give the number that the running cell's `In [n]` shows."""
    return len(get_ipython().user_ns["In"]) - 1


opened = []


def open_manager(workers=3, limit_s=90):
    """Start the manager and wait for its workers; scenarios in one notebook share it."""
    if opened:
        return opened[0]
    manager = vine.Manager(9123)
    opened.append(manager)
    manager.set_keepalive_interval(5)
    manager.set_keepalive_timeout(10)
    deadline = time.monotonic() + limit_s
    while manager.stats.workers_connected < workers:
        assert time.monotonic() < deadline, f"{manager.stats.workers_connected} workers came"
        manager.wait(1)
        time.sleep(0.05)
    return manager


def finish(manager, tasks, limit_s=120):
    """Wait until all `tasks` are done and succeeded; give them in the order of submission."""
    done, deadline = {}, time.monotonic() + limit_s
    while len(done) < len(tasks):
        left = sorted({task.id for task in tasks} - set(done))
        assert time.monotonic() < deadline, f"tasks {left} are not done after {limit_s} s"
        task = manager.wait(2)
        if task:
            assert task.successful(), f"task {task.id}: {task.result} {task.std_output}"
            done[task.id] = task
    return [done[task.id] for task in tasks]


def write(path, text):
    """Write a text file on the manager."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def read(path):
    """Read a text file on the manager."""
    with open(path) as file:
        return file.read()


def tell(task, kind, cell, where, reads=(), writes=(), **more):
    """Print a task's truth: `where` is what it said of itself, host and working directory.

    `reads` and `writes` are pairs of a path in the sandbox (or an absolute one) and the
    manager's path, or None.
    """

    def absolute(pairs):
        return [
            [os.path.join(where["sandbox"], inside), outside and os.path.realpath(outside)]
            for inside, outside in pairs
        ]

    words = {"number": task.id, "kind": kind, "cell": cell, **where}
    words |= {"reads": absolute(reads), "writes": absolute(writes), **more}
    print("@task", json.dumps(words))


def where_said(output):
    """Give what a shell task said of itself in the last line of its output."""
    host, sandbox = output.strip().splitlines()[-1].split(" ")
    return {"host": host, "sandbox": sandbox}


# A shell task ends with this, so that it tells where it ran.
SAY = "echo; echo $(hostname) $PWD"
