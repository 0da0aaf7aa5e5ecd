"""Mark around each Dask task, in the thread that executes it, and tell what became of it.

The client sends this file's text with a plugin, so that workers need nothing installed; it keeps to
the standard library and to what a worker has loaded (distributed 2023.9 or later). A task carries
its cell, as (root of the run's marks, ordinal, cell id), in its annotations.
"""

import os
import sys
import time
from _thread import _local, allocate_lock  # not threading: this is read before it is imported

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
_KEPT = 20000  # records of a worker that can be asked for again
_WALKED = 200  # parts of a task that are looked at for the functions in it
# Whose functions Dask puts around those of a notebook.
_PLUMBING = frozenset("cytoolz dask distributed functools numpy operator pandas tlz toolz".split())
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
        task, status = begin(arguments[state_at]["worker"], arguments[key_at], arguments[0]), "lost"
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


def begin(worker, key, code):
    """Begin a task that is to execute `code`; None where no run asked for it."""
    try:
        state = worker.state.tasks.get(key)
        cell = (getattr(state, "annotations", None) or {}).get(ANNOTATION)
        return cell and Task(worker, key, tuple(cell), function_of(key, code))
    except Exception as error:
        print("nbrepro: task is not marked: %r" % error, file=sys.stderr)  # noqa: T201


class Task:
    """A task that the present thread executes."""

    def __init__(self, worker, key, cell, function):
        self.report, self.name, self.cell = reports.get(worker.address), name_of(key), cell
        self.marks = sys.__dict__.get("nbrepro.marks")  # in the kernel's own process
        self.address = quote(worker.address)
        self.before = getattr(running, "cell", None)
        running.cell = cell
        if self.marks:
            self.outside = self.marks["owner"]()
            self.marks["here"].cell = cell[1:]
        if self.report:
            self.report.add(cell, "started", self.name, function)
        mark(cell[0], "task", "start", cell[1], quote(self.name), self.address)

    def end(self, status):
        """End it."""
        mark(self.cell[0], "task", "end", self.cell[1], quote(self.name), self.address)
        if self.report:
            self.report.add(self.cell, "done", self.name, status)
        running.cell = self.before
        if self.marks:
            self.marks["here"].cell = self.outside


def function_of(key, code):
    """Name the notebook's functions in a task; else as Dask groups tasks of one function."""
    names = list(dict.fromkeys(own_functions(code)))
    if names:
        return "-".join(names[:5])
    from distributed.utils import key_split

    return str(key_split(key))


def own_functions(code):
    """Yield the names of the functions in a task (a node of Dask's graph) that are not Dask's."""
    waiting, walked = [code], 0
    while waiting and walked < _WALKED:
        part, walked = waiting.pop(0), walked + 1
        if isinstance(part, dict):
            waiting += list(part.values())[:_WALKED]
        elif isinstance(part, (list, tuple)):
            waiting += part[:_WALKED]
        elif home_of(type(part)) in ("dask", "functools") and hasattr(part, "func"):
            waiting += [part.func, *getattr(part, "args", ())]
        elif type(part).__name__ == "function" and home_of(part) not in _PLUMBING:
            yield part.__name__.strip("<>")


def home_of(thing):
    """Give the top package of a class or function."""
    return str(getattr(thing, "__module__", "")).partition(".")[0]


class Report:
    """What happens on one worker, told to the clients now and then.

    Records are numbered, so that a client can ask for those that it was told of and has not heard.
    """

    def __init__(self, worker, loop):
        from collections import deque

        self.worker, self.loop = worker, loop
        self.stamp = time.time_ns()  # another worker may have the address later
        self.lock, self.kept = allocate_lock(), deque(maxlen=_KEPT)
        self.count = self.told = 0
        self.waits = False

    def add(self, cell, *words):
        """Note something at this moment, from any thread."""
        with self.lock:
            self.kept.append([cell[0], int(cell[1]), time.time_ns(), *words])
            self.count += 1
            waits, self.waits = self.waits, True
        if not waits:
            self.loop.call_soon_threadsafe(self.loop.call_later, _PAUSE_S, self.tell)

    def tell(self):
        """Send what was not told yet, in the thread of the event loop."""
        told = self.since(self.told)
        if told["records"]:
            self.worker.log_event(TOPIC, told)

    def since(self, number):
        """Give the records from a number on, as far as they are kept."""
        with self.lock:
            first = max(number, self.count - len(self.kept))
            records = list(self.kept)[len(self.kept) - self.count + first :]
            self.told, self.waits = self.count, False
        address = self.worker.address
        return {"worker": address, "stamp": self.stamp, "first": first, "records": records}


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
            self.report.add((root, 0), "worker", describe(worker))
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
            found = [line.split()[1] for line in status if line.startswith("TracerPid:")]
        return found not in ([], ["0"])
    except OSError:
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
        function = function_of(key, getattr(state, "run_spec", None))
        report.add(cell, "started", name_of(key), function)
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
    """Tell whether a task is a coroutine."""
    if hasattr(spec, "is_coro"):
        return bool(spec.is_coro)
    import asyncio

    function = spec[0] if isinstance(spec, tuple) and spec else getattr(spec, "func", None)
    return asyncio.iscoroutinefunction(function)


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


async def now():
    """Give the time by this worker's clock, in ns since the epoch."""
    return time.time_ns()


async def report(heard, dask_worker):
    """Give what a worker noted and the client has not `heard`: [stamp, number] by address."""
    found = reports.get(dask_worker.address)
    stamp, number = heard.get(dask_worker.address, (0, 0))
    return found and found.since(number if stamp == found.stamp else 0)


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
    quiet, said = subprocess.DEVNULL, subprocess.PIPE
    with tempfile.TemporaryDirectory(prefix="nbrepro-") as folder:
        path = os.path.join(folder, "archive.tar.zst")
        words = [program, "-o", path]
        try:
            subprocess.run(
                words, check=True, timeout=timeout_s, stdin=quiet, stdout=quiet, stderr=said
            )
            if os.path.getsize(path) > limit_bytes:
                return "its archive of %d bytes is too large" % os.path.getsize(path)
            with open(path, "rb") as stream:
                return stream.read()
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode("utf-8", "replace").strip()[-500:]
            return "collecting ended with %d: %s" % (error.returncode, words)
        except (OSError, subprocess.TimeoutExpired) as error:
            return "collecting failed: %s" % error


def function(name, *arguments):
    """Give a function of this file, with leading arguments."""
    import functools

    return functools.partial(globals()[name], *arguments)
