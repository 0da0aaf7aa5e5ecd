"""TaskVine's manager in the kernel: who submits what, which files it moves, the workers' traces.

Watched are the calls into its C library, under the names that TaskVine's Python modules know it by:
the notebook's own objects and tracebacks stay as they are. The arguments of the public methods
(`task`, `file`, ...) are read from their frames. libvine reads inputs and writes outputs on the
manager in whichever cell waits: `transfer` marks keep that apart from the cell's own accesses.
"""

import os
import sys

_ARCHIVE_BYTES = 256 << 20
_COLLECT_S = 30
_PATIENCE_S = (8, 22)  # for each sending
_TAG = "nbrepro-collect"
_TRANSFERS = (
    "vine_declare_file",
    "vine_delete",
    "vine_fetch_file",
    "vine_manager_install_library",
    "vine_submit",
    "vine_wait",
    "vine_wait_for_tag",
    "vine_wait_for_task_id",
    "vine_workers_shutdown",
)
_UNPACKED = {"vine_declare_untar": "tarball", "vine_declare_poncho": "package",
             "vine_declare_starch": "starch"}  # fmt: skip
_CONTEXTS = (
    "vine_task_add_environment",
    "vine_task_add_execution_context",
    "vine_task_add_poncho_package",
    "vine_task_add_starch_package",
)


def install(marks, imports, submits, logs):
    """Observe `ndcctools.taskvine` once the notebook imports it; `logs` reads a manager's."""

    def observe(module):
        submits.guarded("taskvine", "ndcctools.taskvine", observe_manager, module)

    def observe_manager(module):
        engine = Engine(marks, submits, module, logs)
        tasks = sys.modules[module.Task.__module__]
        tasks.cvine = watched(tasks.cvine, engine.task_calls(), engine)
        module.cvine = watched(module.cvine, engine.manager_calls(), engine)

    imports.after("ndcctools.taskvine.manager", observe)


def watched(library, acts, engine):
    """Give a module like `library` that tells of the calls in `acts`: (before, after) by name."""
    module = type(library)(library.__name__)
    module.__dict__.update(library.__dict__)
    for name, (before, after) in acts.items():
        call = getattr(library, name, None)
        if call is not None:
            setattr(module, name, told(name, call, before, after, engine))
    return module


def told(name, call, before, after, engine):
    """Give a function like `call` that acts before and after it; its errors pass unchanged."""

    def observed(*arguments):
        if sys.is_finalizing():
            return call(*arguments)
        names = sys._getframe(1).f_locals
        if before and not engine.aside:
            engine.submits.guarded("taskvine", name, before, names, arguments)
        moves = name in _TRANSFERS
        if moves:
            engine.marks["mark"]("transfer", "start")
        try:
            result = call(*arguments)
        finally:
            if moves:
                engine.marks["mark"]("transfer", "end")
        if after and not engine.aside:
            engine.submits.guarded("taskvine", name, after, names, arguments, result)
        return result

    return observed


class Engine:
    """What the probe knows of the managers and tasks in this kernel."""

    def __init__(self, marks, submits, module, logs):
        import weakref

        self.marks, self.submits, self.module, self.logs = marks, submits, module, logs
        self.library = module.cvine
        self.notes = weakref.WeakKeyDictionary()  # of each task: function, inputs, outputs
        self.managers = weakref.WeakSet()
        self.unpacked = {}  # path of the archive behind a file, by the file's address
        self.kept = set()  # workers whose traces are home and that did nothing since
        self.copies = {}  # source and name of each manager's log of attempts
        self.aside = False  # what we do ourselves is not told

    def task_calls(self):
        """Give what to do at the calls of TaskVine's module of tasks."""
        acts = {"vine_task_create": (None, self.created)}
        acts["vine_task_clone"] = (None, self.cloned)
        acts["vine_task_add_input"] = (None, self.added_to("inputs"))
        acts["vine_task_add_output"] = (None, self.added_to("outputs"))
        acts.update((name, (None, self.added_context)) for name in _CONTEXTS)
        return acts

    def manager_calls(self):
        """Give what to do at the calls of TaskVine's module of managers."""
        acts = dict.fromkeys(_TRANSFERS, (None, None))
        for name in ("vine_create", "vine_ssl_create"):
            acts[name] = (None, self.began)
        acts["vine_submit"] = (None, self.submitted)
        acts["vine_manager_install_library"] = (None, self.installed)
        acts["vine_declare_mini_task"] = (None, self.declared_mini)
        for name in ("vine_wait", "vine_wait_for_tag", "vine_wait_for_task_id"):
            acts[name] = (None, self.waited)
        for name in ("vine_delete", "vine_workers_shutdown"):
            acts[name] = (self.leaving, self.left)
        for name, argument in _UNPACKED.items():
            acts[name] = (None, self.unpacks(argument))
        return acts

    # Tasks and their files

    def note(self, task):
        return self.notes.setdefault(task, {"function": "", "inputs": [], "outputs": []})

    def created(self, names, arguments, result):
        """Remember the function of a PythonTask: it forgets it when it is submitted."""
        definition = getattr(names["self"], "_fn_def", None)
        if definition:
            function = definition[0]
            name = getattr(function, "__qualname__", None) or type(function).__name__
            self.note(names["self"])["function"] = str(name)

    def cloned(self, names, arguments, result):
        """Give a copied task what the original has."""
        note = self.note(names["self"])
        self.notes[names["new"]] = {k: v if k == "function" else list(v) for k, v in note.items()}

    def added_to(self, kind):
        """Remember an input or output of a task."""

        def added(names, arguments, result):
            record = self.described(names["file"], arguments[2])
            self.note(names["self"])[kind].append(record)

        return added

    def added_context(self, names, arguments, result):
        """Remember a package that a task is given to run in, unpacked by the worker."""
        file = names.get("file") or names.get("f")
        self.note(names["self"])["inputs"].append(self.described(file, ""))

    def described(self, file, remote):
        """Give a file's name in the sandbox and its path or URL, empty where it has none."""
        address = address_of(file._file)
        if address in self.unpacked:
            return {"remote": "", "path": self.unpacked[address]}
        kind, source = file.type(), file.source() or ""
        if kind == self.library.VINE_FILE:
            return {"remote": remote, "path": os.path.realpath(source)}
        url = kind == getattr(self.library, "VINE_URL", None)
        return {"remote": remote, "path": source if url else ""}

    def unpacks(self, argument):
        """Remember which archive a declared directory is unpacked from."""

        def declared(names, arguments, result):
            source = names[argument].source()
            if source:
                self.unpacked[address_of(result)] = os.path.realpath(source)

        return declared

    # The manager

    def name_of(self, manager):
        """Give `host:port` of a manager."""
        return "%s:%d" % (os.uname().nodename, self.library.vine_port(manager))

    def began(self, names, arguments, manager):
        """Log a new manager, which the notebook may leave open at its end."""
        if not self.managers:
            import atexit

            atexit.register(self.exit)
        if manager:
            self.managers.add(names["self"])
            logs = os.path.realpath(self.library.vine_get_path_log(manager, None))
            self.submits.log("taskvine", "manager", manager=self.name_of(manager), logs=logs)

    def submitted(self, names, arguments, number):
        """Log a task that is submitted."""
        if number:
            self.kept.clear()
            kind = kind_of(names["task"], self.module)
            self.log_submit(arguments[0], number, names["task"], kind)

    def installed(self, names, arguments, result):
        """Log a library, of which each worker will get instances."""
        self.log_submit(arguments[0], 0, names["task"], "library", library=str(arguments[2]))

    def declared_mini(self, names, arguments, result):
        """Log a task that workers do whenever they need the file it makes."""
        self.log_submit(arguments[0], 0, names["minitask"], "mini", source=str(arguments[2]))

    def log_submit(self, manager, number, task, kind, **more):
        """Log a task of any kind."""
        note = self.note(task)
        command = str(task.command or "")
        function = command if kind == "FunctionCall" else note["function"]
        fields = {
            "manager": self.name_of(manager),
            "number": int(number),
            "type": kind,
            "function": function,
            "command": command[:4000],
            "library": str(task.get_library_required() or ""),
            "category": str(task.category or ""),
            "inputs": note["inputs"],
            "outputs": note["outputs"],
        }
        self.submits.log("taskvine", "submit", **dict(fields, **more))

    def waited(self, names, arguments, task):
        """Log a task that is given back."""
        if not task:
            return
        library = self.library
        number = int(library.vine_task_get_id(task))
        result = library.vine_result_string(library.vine_task_get_result(task))
        fields = {
            "status": status_of(result, library.vine_task_get_exit_code(task)),
            "host": str(library.vine_task_get_hostname(task) or ""),
            "address": str(library.vine_task_get_addrport(task) or ""),
        }
        manager = self.name_of(arguments[0])
        self.submits.log("taskvine", "done", manager=manager, number=number, **fields)

    # The workers' traces

    def exit(self):
        """Fetch the traces of managers that are still there when the kernel ends."""
        for manager in list(self.managers):
            self.submits.guarded("taskvine", "exit", self.leaving, {"self": manager}, ())

    def leaving(self, names, arguments):
        """Fetch the traces before the manager lets its workers go."""
        manager = names.get("self")
        if self.aside or not self.submits.path or not getattr(manager, "_taskvine", None):
            return
        self.aside = True
        try:
            self.collect(manager)
        finally:
            self.aside = False
        self.copies[address_of(manager._taskvine)] = (
            os.path.join(manager.logging_directory, "transactions"),
            "taskvine-%d.transactions" % manager.port,
        )
        self.left({}, (manager._taskvine,), None)

    def left(self, names, arguments, result):
        """Copy the manager's own log of attempts to the run directory."""
        import shutil

        source, name = self.copies.get(address_of(arguments[0]), ("", ""))
        if source:
            shutil.copyfile(source, os.path.join(os.path.dirname(self.submits.path), name))

    def collect(self, manager):
        """Have each observed worker return its trace as the output of a task of its own."""
        known = self.logs["observed_workers"](os.path.join(manager.logging_directory, "debug"))
        known = {a: d for a, d in known.items() if d["nbrepro_worker"] not in self.kept}
        if not known:
            return
        name = self.name_of(manager._taskvine)
        self.submits.log("taskvine", "workers", manager=name, workers=known)
        present = self.logs["connected"](os.path.join(manager.logging_directory, "transactions"))
        busy = not manager.empty()
        workers = []
        for address, description in known.items():
            if busy:
                self.keep(
                    description["nbrepro_worker"], "tasks still waited when the manager ended"
                )
            elif address not in present:
                self.keep(
                    description["nbrepro_worker"], "it went away before its trace was fetched"
                )
            else:
                workers.append(description["nbrepro_worker"])
        if workers:
            self.ask(manager, workers)

    def ask(self, manager, workers):
        """Send each worker its task and wait for what they return."""
        import time

        end = time.time() + _COLLECT_S
        folder = os.path.join(os.path.dirname(self.submits.path), "workers")
        os.makedirs(folder, exist_ok=True)
        waiting = dict.fromkeys(workers)
        for patience in _PATIENCE_S:
            # TaskVine 7.14.5 now and then never sends such a task to a worker that is there: what
            # has not come back is sent anew.
            until = min(end, time.time() + patience)
            sent = {
                manager.submit(self.collecting(manager, worker, folder, until)): worker
                for worker in waiting
            }
            self.fetch(manager, sent, waiting, until)
            if not waiting:
                return
        for worker in waiting:
            self.keep(worker, "it did not answer within %d s" % _COLLECT_S)

    def fetch(self, manager, sent, waiting, until):
        """Wait for the traces that tasks were sent for, and strike their workers off."""
        import time

        while sent and time.time() < until:
            task = manager.wait_for_tag(_TAG, 1)
            if task is not None and task.id in sent:
                result = "" if task.successful() else "%s %s" % (task.result, task.std_output)
                worker = sent.pop(task.id)
                if worker in waiting:
                    del waiting[worker]
                    self.keep(worker, result[:500])
        for number in sent:
            manager.cancel_by_task_id(number)

    def collecting(self, manager, worker, folder, end):
        """Make the task that packs one worker's trace."""
        command = (
            '"$NBREPRO_COLLECT" -o archive.tar.zst && test "$(wc -c <archive.tar.zst)" -le %d'
            % _ARCHIVE_BYTES
        )
        task = self.module.Task(command)
        task.add_feature("nbrepro:" + worker)
        task.set_tag(_TAG)
        task.set_category(_TAG)
        task.set_retries(1)
        task.set_cores(0)
        task.set_memory(0)
        task.set_disk(0)
        task.set_time_end(int(end * 1e6))
        archive = manager.declare_file(os.path.join(folder, self.logs["file_of"](worker)))
        task.add_output(archive, "archive.tar.zst")
        return task

    def keep(self, worker, reason):
        """Log that a trace came home, or why not."""
        archive = "workers/" + self.logs["file_of"](worker)
        self.kept.add(worker)
        there = os.path.exists(os.path.join(os.path.dirname(self.submits.path), archive))
        if there and not reason:
            self.submits.log("taskvine", "collected", worker=worker, archive=archive)
        else:
            reason = reason or "its task ended without an archive"
            self.submits.log("taskvine", "collected", worker=worker, reason=reason)


def kind_of(task, module):
    """Give what a task is, by TaskVine's own classes."""
    for name in ("LibraryTask", "FunctionCall", "PythonTask"):
        kind = getattr(module, name, None)
        if kind is not None and isinstance(task, kind):
            return "library" if name == "LibraryTask" else name
    return "Task"


def status_of(result, exit_code):
    """Give `ok`, or `failed:` and why."""
    words = str(result).lower().replace("_", " ")
    if words != "success":
        return "failed: " + words
    return "ok" if exit_code == 0 else "failed: exit code %d" % exit_code


def address_of(file):
    """Give a number that is one file's own as long as the manager lives."""
    try:
        return int(file)
    except (TypeError, ValueError):
        return id(file)
