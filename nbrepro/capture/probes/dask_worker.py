"""Mark around each Dask task, in the thread that executes it, and tell what became of it.

The client sends this file's text with a plugin, so that workers need nothing installed; it keeps to
the standard library and to what a worker has loaded (distributed 2023.9 or later). A task carries
its cell, as (root of the run's marks, ordinal, cell id), in its annotations.
"""

import os
import sys
import time
from _thread import _local  # not threading: this file is read before the notebook imports that

SOURCE = ""  # the text of this file, set by whoever runs it
STATE = "nbrepro.dask"  # the key under which it is found again, in sys's dictionary
REBUILD = (
    "(__import__('sys').__dict__.get('nbrepro.dask') or "
    "(lambda space: (exec(source, space), space['keep'](space, source))[1])"
    "({'__name__': 'nbrepro_dask_worker'}))[name](*arguments)"
)
ANNOTATION = "nbrepro"
TOPIC = "nbrepro"
_PAUSE_S = 0.1  # between two reports of one worker
_LONGEST = 1500  # bytes of a key in a mark
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
running = _local()
reports = {}  # of each worker in this process, by its address


def keep(space, source):
    """Remember this file's names `space` in the running process, and give them."""
    space["SOURCE"] = source
    sys.__dict__[STATE] = space
    return space


class Sent:
    """A call of the function `name` of this file, made wherever it is unpickled."""

    def __init__(self, name, *arguments):
        self.names = {"source": SOURCE, "name": name, "arguments": arguments}

    def __reduce__(self):
        return eval, (REBUILD, self.names)


def quote(text):
    """Quote a text by percent signs so that it is one part of a path."""
    encoded = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _SAFE else "%%%02X" % byte for byte in encoded) or "-"


def name_of(key):
    """Give a task's key as text; a very long one is cut and gets a digest."""
    text = str(key)
    if len(quote(text)) <= _LONGEST:
        return text
    import hashlib

    return text[:200] + "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def mark(root, *words):
    """Open a path below the run's own that nobody can have made."""
    try:
        os.close(os.open(root + "/".join(words), os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return


# The tasks' threads


def observe_tasks(module):
    """Mark around what `distributed.worker` runs in a thread; tracebacks start below it."""
    import inspect

    name = "_run_task" if hasattr(module, "_run_task") else "apply_function"
    run = getattr(module, name)
    if getattr(run, "nbrepro", False):
        return
    names = list(inspect.signature(run).parameters)
    state_at, key_at = names.index("execution_state"), names.index("key")

    def observed(*arguments):
        task = begin(arguments[state_at]["worker"], arguments[key_at])
        status = "lost"
        try:
            message = run(*arguments)
            status = status_of(message)
            return message
        finally:
            if task is not None:
                task.end(status)

    observed.nbrepro = True
    setattr(module, name, observed)


def status_of(message):
    """Give the status of a finished task; one that asks to be run elsewhere is none."""
    if message.get("op") == "task-finished":
        return "ok"
    rescheduled = type(message.get("actual_exception")).__name__ == "Reschedule"
    return "lost" if rescheduled else "failed"


def begin(worker, key):
    """Begin a task; None where no run asked for it."""
    try:
        state = worker.state.tasks.get(key)
        cell = (getattr(state, "annotations", None) or {}).get(ANNOTATION)
        return cell and Task(worker, key, tuple(cell))
    except Exception as error:
        print("nbrepro: task is not marked: %r" % error, file=sys.stderr)  # noqa: T201


class Task:
    """A task that the present thread executes."""

    def __init__(self, worker, key, cell):
        self.report, self.name, self.cell = reports.get(worker.address), name_of(key), cell
        self.marks = sys.__dict__.get("nbrepro.marks")  # in the kernel's own process
        self.address = quote(worker.address)
        self.before = getattr(running, "cell", None)
        running.cell = cell
        if self.marks:
            self.outside = self.marks["owner"]()
            self.marks["here"].cell = cell[1:]
        if self.report:
            self.report.add(cell, "started", self.name, function_of(key))
        mark(cell[0], "task", "start", cell[1], quote(self.name), self.address)

    def end(self, status):
        """End it."""
        mark(self.cell[0], "task", "end", self.cell[1], quote(self.name), self.address)
        if self.report:
            self.report.add(self.cell, "done", self.name, status)
        running.cell = self.before
        if self.marks:
            self.marks["here"].cell = self.outside


def function_of(key):
    """Give the name that Dask groups tasks of one function by."""
    from distributed.utils import key_split

    return str(key_split(key))


# The worker


class Report:
    """What happens on one worker, told to the clients now and then."""

    def __init__(self, worker, loop):
        self.worker, self.loop = worker, loop
        self.pending = []
        self.waits = False

    def add(self, cell, *words):
        """Note something at this moment, from any thread."""
        self.pending.append([cell[0], int(cell[1]), time.time_ns(), *words])
        if not self.waits:
            self.waits = True
            self.loop.call_soon_threadsafe(self.loop.call_later, _PAUSE_S, self.tell)

    def tell(self):
        """Send what is pending, in the thread of the event loop."""
        records = self.take()
        if records:
            self.worker.log_event(TOPIC, {"worker": self.worker.address, "records": records})

    def take(self):
        """Give what is pending, and forget it."""
        self.waits = False
        records, self.pending = self.pending, []
        return records


def make_plugin(root):
    """Make the plugin that a run with this root of marks sends to every worker."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class ObservedWorker(WorkerPlugin):
        """Put the marks into a worker, now or when it joins."""

        idempotent = True
        name = "nbrepro-" + root.rstrip("/").rpartition("/")[2][:16]

        def __reduce__(self):
            return Sent("make_plugin", root).__reduce__()

        def setup(self, worker):
            """Observe the tasks and say who this worker is."""
            self.worker = worker
            mark(root, "worker", quote(worker.address), quote(str(worker.id)))
            self.report = observe_worker(worker)
            self.report.pending.append([root, 0, time.time_ns(), "worker", describe(worker)])
            self.report.tell()

        def transition(self, key, start, finish, **details):
            """Tell of the tasks whose code runs in no thread of this process."""
            if finish == "executing" or start == "executing":
                follow(self.report, root, key, start, finish)

    return ObservedWorker()


def observe_worker(worker):
    """Observe a worker's tasks and the graphs that they submit themselves; give its report."""
    import asyncio

    import distributed.worker
    from distributed.client import Client

    observe_tasks(distributed.worker)
    observe_graphs(Client, lambda: getattr(running, "cell", None), lambda *_: None)
    if worker.address not in reports:
        reports[worker.address] = Report(worker, asyncio.get_running_loop())
    return reports[worker.address]


def describe(worker):
    """Say where a worker is; `traced` says that its own process is under a tracer."""
    import socket

    return {
        "address": worker.address,
        "name": str(worker.name),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "nbrepro_worker": os.environ.get("NBREPRO_WORKER", ""),
        "collects": bool(os.environ.get("NBREPRO_COLLECT")),
        "traced": is_traced(),
    }


def is_traced():
    """Tell whether a tracer holds this process."""
    try:
        with open("/proc/self/status") as status:
            words = dict(line.split(":", 1) for line in status)
        return int(words["TracerPid"]) != 0
    except (OSError, KeyError, ValueError):
        return False


def follow(report, root, key, start, finish):
    """Report a coroutine's or another process's task: its accesses cannot be told apart."""
    state = report.worker.state.tasks.get(key)
    cell = (getattr(state, "annotations", None) or {}).get(ANNOTATION)
    if not cell or cell[0] != root:
        return
    reason = hidden(report.worker, state)
    if not reason:
        return
    if finish == "executing":
        report.add(cell, "started", name_of(key), function_of(key))
        report.add(cell, "unobservable", name_of(key), reason)
    else:
        status = {"memory": "ok", "error": "failed"}.get(finish, "unknown")
        report.add(cell, "done", name_of(key), status)


def hidden(worker, state):
    """Say why no thread of this process executes the task; empty where one does."""
    spec = getattr(state, "run_spec", None)
    if is_coroutine(worker, spec):
        return "a coroutine shares the event loop's thread with others"
    name = (state.annotations or {}).get("executor", "default")
    executor = worker.executors.get(name)
    if executor is not None and "ThreadPoolExecutor" not in str(type(executor)):
        return "executor %r runs it in another process" % name
    return ""


def is_coroutine(worker, spec):
    """Tell whether a task is a coroutine, in this version of Dask or an earlier one."""
    if hasattr(spec, "is_coro"):
        return bool(spec.is_coro)
    import asyncio

    function = spec[0] if isinstance(spec, tuple) and spec else getattr(spec, "func", None)
    return asyncio.iscoroutinefunction(function)


# The client


def observe_graphs(client, current, told):
    """Have every graph that a client sends say which cell submits it, and `told` of it."""
    send = client._send_to_scheduler
    if getattr(send, "nbrepro", False):
        return

    def observed(self, message):
        if isinstance(message, dict) and message.get("op") == "update-graph":
            cell = current()
            if cell:
                message = annotated(message, cell)
            told(self, message, cell)
        return send(self, message)

    observed.nbrepro = True
    client._send_to_scheduler = observed


def annotated(message, cell):
    """Give the message with the cell beside the user's own annotations."""
    annotations = message.get("annotations")
    kind = dict if annotations is None or isinstance(annotations, dict) else type(annotations)
    given = annotations if kind is dict else annotations.data
    return dict(message, annotations=kind(dict(given or {}, **{ANNOTATION: tuple(cell)})))


# Called by the client at the end


async def now():
    """Give the time by this worker's clock, in ns since the epoch."""
    return time.time_ns()


async def report(dask_worker):
    """Give what a worker has not told yet."""
    found = reports.get(dask_worker.address)
    return found.take() if found else []


async def collect(limit_bytes, timeout_s):
    """Give the worker's trace as NBREPRO_COLLECT packs it, or a sentence why there is none."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, pack, limit_bytes, timeout_s)


def pack(limit_bytes, timeout_s):
    """Pack the worker's trace and give its bytes, or a sentence."""
    import subprocess
    import tempfile

    program = os.environ.get("NBREPRO_COLLECT")
    if not program:
        return "its environment has no NBREPRO_COLLECT: it was not started by `nbrepro worker`"
    with tempfile.TemporaryDirectory(prefix="nbrepro-") as folder:
        path = os.path.join(folder, "archive.tar.zst")
        try:
            subprocess.run(
                [program, "-o", path],
                check=True,
                timeout=timeout_s,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            if os.path.getsize(path) > limit_bytes:
                return "its archive of %d bytes is too large" % os.path.getsize(path)
            with open(path, "rb") as stream:
                return stream.read()
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip()[-500:]
            return "collecting ended with %d: %s" % (error.returncode, said)
        except (OSError, subprocess.TimeoutExpired) as error:
            return "collecting failed: %s" % error


def function(name, *arguments):
    """Give a function of this file, with leading arguments."""
    import functools

    return functools.partial(globals()[name], *arguments) if arguments else globals()[name]
