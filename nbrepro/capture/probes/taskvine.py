"""TaskVine's manager in the kernel: who submits what, which files it moves, the workers' traces.

Watched are the calls into its C library, under the names that TaskVine's Python modules know it by:
the notebook's own objects and tracebacks stay as they are. The arguments of the public methods
(`task`, `file`, ...) are read from their frames. libvine reads inputs and writes outputs on the
manager in whichever cell waits: `transfer` marks keep that apart from the cell's own accesses.
"""

import os
import sys

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


def install(marks, imports, submits, logs, collecting):
    """Observe `ndcctools.taskvine` once the notebook imports it.

    `logs` reads a manager's logs, `collecting` brings the workers' traces home.
    """
    engines = []

    def observe(module):
        submits.guarded("taskvine", "ndcctools.taskvine", observe_manager, module)

    def observe_manager(module):
        engine = Engine(marks, submits, module)
        engine.collecting = collecting["Collecting"](engine, logs)
        engines.append(engine)
        tasks = sys.modules[module.Task.__module__]
        tasks.cvine = watched(tasks.cvine, engine.task_calls(), engine)
        module.cvine = watched(module.cvine, engine.manager_calls(), engine)

    def extend(module):
        for engine in engines:
            act = engine.collecting.extend_libraries
            submits.guarded("taskvine", "libraries", act, module)

    imports.after("ndcctools.taskvine.manager", observe)
    imports.after("ndcctools.poncho.package_serverize", extend)


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

    collecting = None

    def __init__(self, marks, submits, module):
        import weakref

        self.marks, self.submits, self.module = marks, submits, module
        self.library = module.cvine
        self.notes = weakref.WeakKeyDictionary()  # of each task: function, inputs, outputs
        self.managers = weakref.WeakSet()
        self.unpacked = {}  # path of the archive behind a file, by the file's address
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
        acts["vine_manager_remove_library"] = (self.removing_library, None)
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
            self.note(names["self"])["function"] = function_name(*definition[:2])

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
                path = self.unpacked[address_of(result)] = os.path.realpath(source)
                note = {"function": "", "inputs": [{"remote": "input", "path": path}]}
                note["outputs"] = []
                self.log_mini(arguments[0], "output", note)

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
            self.collecting.kept.clear()
            kind = kind_of(names["task"], self.module)
            self.log_submit(arguments[0], number, names["task"], kind)

    def installed(self, names, arguments, result):
        """Log a library, of which each worker will get instances."""
        self.log_submit(arguments[0], 0, names["task"], "library", library=str(arguments[2]))

    def declared_mini(self, names, arguments, result):
        """Log a task that workers do whenever they need the file it makes."""
        task = names["minitask"]
        self.log_mini(arguments[0], str(arguments[2]), self.note(task), str(task.command or ""))

    def log_mini(self, manager, source, note, command=""):
        """Log what workers will do to have a file that is called `source`."""
        fields = {
            "manager": self.name_of(manager),
            "number": 0,
            "type": "mini",
            "command": command[:4000],
            "library": "",
            "category": "",
            "source": source,
        }
        self.submits.log("taskvine", "submit", **dict(note, **fields))

    def log_task(self, manager, number, task):
        """Log a task of our own, which its category tells."""
        self.log_submit(manager._taskvine, number, task, kind_of(task, self.module))

    def log_submit(self, manager, number, task, kind, **more):
        """Log a task of any kind."""
        note = self.note(task)
        command = str(task.command or "")
        function = command if kind == "FunctionCall" else note["function"]
        function = dask_function(task) or function
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
        if not self.collect(manager):
            return
        self.copies[address_of(manager._taskvine)] = (
            os.path.join(manager.logging_directory, "transactions"),
            "taskvine-%d.transactions" % manager.port,
        )
        self.left({}, (manager._taskvine,), None)

    def removing_library(self, names, arguments):
        """Fetch the traces while the library can still be called: workers may hang after."""
        self.collect(names.get("self"), last=False)

    def collect(self, manager, last=True):
        """Fetch the traces, if this is a manager that lives and the run wants them."""
        if self.aside or not self.submits.path or not getattr(manager, "_taskvine", None):
            return False
        self.aside = True
        try:
            self.collecting.collect(manager, last)
        finally:
            self.aside = False
        return True

    def left(self, names, arguments, result):
        """Copy the manager's own log of attempts to the run directory."""
        import shutil

        source, name = self.copies.get(address_of(arguments[0]), ("", ""))
        if source:
            shutil.copyfile(source, os.path.join(os.path.dirname(self.submits.path), name))


def function_name(function, arguments):
    """Give a function's name; with the function that it is to call, where it is not the user's."""
    while hasattr(function, "func") and hasattr(function, "keywords"):  # functools.partial
        function, arguments = function.func, (*function.args, *arguments)
    name = str(getattr(function, "__qualname__", None) or type(function).__name__)
    home = str(getattr(function, "__module__", "")).partition(".")[0]
    if home in ("builtins", "ndcctools") and arguments and callable(arguments[0]):
        return "%s(%s)" % (name, function_name(arguments[0], ()))
    return name


def dask_function(task):
    """Give the name that Dask groups tasks of one function by; empty for what is no task of it."""
    key = getattr(task, "key", None)
    if key is None or "dask" not in sys.modules:
        return ""
    from dask.utils import key_split

    return str(key_split(key))


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
