"""The tracer of last resort: a Python audit hook that writes what it is told as strace would.

See sys.addaudithook(3) and the table of audit events in Python's documentation. An event comes
just before the deed, so whether it will succeed is judged from the file system. What C libraries
and started programs do is not seen. The lines are those of `strace -f -y --timestamps=unix,ns`.
"""

import os
import sys
import time
from _thread import get_native_id

_HIGH = 700  # above what programs close one by one
_FIRST_FAKE = 1 << 22  # the largest pid Linux gives: started programs get numbers from here
_PLAIN = frozenset(range(32, 127)) - frozenset(b'"\\')
_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDONLY")
_FLAGS = tuple(
    (getattr(os, name), name)
    for name in "O_CREAT O_EXCL O_TRUNC O_APPEND O_NONBLOCK O_CLOEXEC O_DIRECTORY".split()
    if hasattr(os, name)
)  # fmt: skip
_THREAD = (
    "clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM"
    "|CLONE_SETTLS|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID}, 88)"
)
ENOENT = "-1 ENOENT (No such file or directory)"
EACCES = "-1 EACCES (Permission denied)"
EEXIST = "-1 EEXIST (File exists)"


def quoted(path):
    """Give a path as strace prints one."""
    return '"' + escaped(path) + '"'


def escaped(path):
    """Give a path's bytes with C escapes for what is not printable ASCII."""
    return "".join(chr(b) if b in _PLAIN else "\\%03o" % b for b in os.fsencode(path))


def described(descriptor, path):
    """Give a descriptor with its path as `strace -y` does; brackets in the path are escaped."""
    return "%s<%s>" % (descriptor, escaped(path).replace("<", "\\74").replace(">", "\\76"))


class Trace:
    """The file that the lines go to, held through forks and through programs that close all."""

    def __init__(self, path):
        self.path = path
        self._open()

    def _open(self):
        import fcntl

        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        first = os.open(self.path, flags, 0o644)
        self.descriptor = fcntl.fcntl(first, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(first)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)

    def write(self, call, tid=None):
        """Append one line; a descriptor that the program closed or reused is left alone."""
        seconds, rest = divmod(time.time_ns(), 1000000000)
        line = "%-5d %d.%09d %s\n" % (tid or get_native_id(), seconds, rest, call)
        try:
            status = os.fstat(self.descriptor)
            if (status.st_dev, status.st_ino) != self.identity:
                self._open()
        except OSError:
            self._open()
        os.write(self.descriptor, line.encode("ascii", "backslashreplace"))


class Auditor:
    """Writes a line for each event that a narrow strace would have shown."""

    def __init__(self, trace):
        self.trace = trace
        self.fakes = 0
        self.busy = set()
        self.parent = 0
        self.deeds = {
            "open": self.open,
            "import": self.load,
            "ctypes.dlopen": self.load,
            "sqlite3.connect": self.database,
            "os.listdir": self.list,
            "os.scandir": self.list,
            "os.remove": self.remove,
            "os.rmdir": self.rmdir,
            "os.rename": self.rename,
            "os.link": self.link,
            "os.symlink": self.symlink,
            "os.mkdir": self.mkdir,
            "os.truncate": self.truncate,
            "os.chdir": self.chdir,
            "os.exec": self.execute,
            "os.posix_spawn": self.spawn,
            "subprocess.Popen": self.start,
            "socket.connect": self.connect,
            "socket.bind": self.bind,
        }

    def hook(self, event, arguments):
        """Be told of an event; a defect here becomes a line, never the program's trouble."""
        deed = self.deeds.get(event)
        if deed is None:
            return
        tid = get_native_id()
        if tid in self.busy:
            return
        self.busy.add(tid)
        try:
            deed(*arguments)
        except Exception as error:
            self.trace.write("!audit %s: %s" % (event, ascii(error)))
        finally:
            self.busy.discard(tid)

    # Files

    def open(self, path, mode, flags):
        if isinstance(path, (str, bytes)):
            self._open(path, flags)

    def _open(self, path, flags):
        words = [_ACCESS[flags & os.O_ACCMODE]] + [name for bit, name in _FLAGS if flags & bit]
        created = ", 0666" if flags & os.O_CREAT else ""
        call = "openat(%s, %s, %s%s) = %s"
        result = self._opened(path, flags)
        here = described("AT_FDCWD", working_directory())
        self.trace.write(call % (here, quoted(path), "|".join(words), created, result))

    def _opened(self, path, flags):
        name = os.fsencode(path)
        if name.startswith(b"/nbrepro-marker/"):
            return ENOENT
        if os.path.lexists(name) and flags & os.O_CREAT and flags & os.O_EXCL:
            return EEXIST
        if not os.path.exists(name):
            folder = os.path.dirname(os.path.realpath(name))
            if not flags & os.O_CREAT or not os.path.isdir(folder):
                return ENOENT
            return described(3, os.path.realpath(name)) if os.access(folder, os.W_OK) else EACCES
        wanted = (os.R_OK, os.W_OK, os.R_OK | os.W_OK, os.R_OK)[flags & os.O_ACCMODE]
        return described(3, os.path.realpath(name)) if os.access(name, wanted) else EACCES

    def load(self, *arguments):
        """A shared library: `import` of an extension module tells its file, dlopen its name."""
        path = arguments[1] if len(arguments) > 1 else arguments[0]
        if isinstance(path, (str, bytes)) and os.path.isfile(path):
            self._open(path, os.O_RDONLY | os.O_CLOEXEC)

    def database(self, path):
        if not isinstance(path, (str, bytes)):
            path = os.fspath(path)
        if path not in ("", ":memory:", b"", b":memory:") and not str(path).startswith("file:"):
            self._open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)

    def list(self, path="."):
        if not isinstance(path, int):
            self._open("." if path is None else path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)

    def remove(self, path, folder=-1):
        if os.path.lexists(located(path, folder)):
            self.trace.write("unlinkat(%s, 0) = 0" % pair(path, folder))

    def rmdir(self, path, folder=-1):
        if os.path.isdir(located(path, folder)):
            self.trace.write("unlinkat(%s, AT_REMOVEDIR) = 0" % pair(path, folder))

    def rename(self, source, target, source_folder=-1, target_folder=-1):
        if os.path.lexists(located(source, source_folder)):
            names = (pair(source, source_folder), pair(target, target_folder))
            self.trace.write("renameat(%s, %s) = 0" % names)

    def link(self, source, target, source_folder=-1, target_folder=-1):
        if not os.path.lexists(located(target, target_folder)):
            names = (pair(source, source_folder), pair(target, target_folder))
            self.trace.write("linkat(%s, %s, 0) = 0" % names)

    def symlink(self, source, target, folder=-1):
        if not os.path.lexists(located(target, folder)):
            self.trace.write("symlinkat(%s, %s) = 0" % (quoted(source), pair(target, folder)))

    def mkdir(self, path, mode=0o777, folder=-1):
        if not os.path.lexists(located(path, folder)):
            self.trace.write("mkdirat(%s, 0777) = 0" % pair(path, folder))

    def truncate(self, path, length):
        if not isinstance(path, int) and os.path.exists(path):
            self.trace.write("truncate(%s, %d) = 0" % (quoted(path), length))

    def chdir(self, path):
        if isinstance(path, int):
            self.trace.write("fchdir(%s) = 0" % described(path, target_of(path)))
        elif os.path.isdir(path):
            self.trace.write("chdir(%s) = 0" % quoted(path))

    # Processes

    def execute(self, path, arguments, environment=None):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            self.trace.write(execution(path, arguments))

    def spawn(self, path, arguments, environment=None):
        self.start(path, arguments, None, environment)

    def start(self, program, arguments, folder, environment):
        """A program: its pid is not told, so that it gets a number that no pid can be."""
        path = find_program(program, environment)
        if path is None:
            return
        child = _FIRST_FAKE + (os.getpid() << 12 & 0xFFFFFFF) + self.fakes
        self.fakes += 1
        self.trace.write("vfork() = %d" % child)
        if folder is not None:
            self.trace.write("chdir(%s) = 0" % quoted(folder), child)
        self.trace.write(execution(path, arguments), child)

    def before_fork(self):
        self.parent = get_native_id()

    def after_fork(self):
        """In the child: tell of the birth before anything that the child does."""
        self.busy.clear()
        flags = "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD)"
        self.trace.write("%s = %d" % (flags, os.getpid()), self.parent)

    # Network

    def connect(self, connection, address):
        if connection.type & 0xF == 1:  # SOCK_STREAM; others need no peer
            self.trace.write("connect(3, %s) = 0" % socket_address(connection, address))

    def bind(self, connection, address):
        self.trace.write("bind(3, %s) = 0" % socket_address(connection, address))


def working_directory():
    """Give the working directory, empty where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def located(path, folder):
    """Give the path to look at: `path` may be relative to an open directory."""
    if isinstance(folder, int) and folder >= 0:
        return os.path.join(b"/proc/self/fd/%d" % folder, os.fsencode(path))
    return os.fsencode(path)


def pair(path, folder):
    """Give the two arguments by which an *at call names a path."""
    if isinstance(folder, int) and folder >= 0:
        return "%s, %s" % (described(folder, target_of(folder)), quoted(path))
    return "%s, %s" % (described("AT_FDCWD", working_directory()), quoted(path))


def target_of(descriptor):
    """Give what an open descriptor refers to, empty where it is not open."""
    try:
        return os.readlink("/proc/self/fd/%d" % descriptor)
    except OSError:
        return ""


def execution(path, arguments):
    """Give the execve that starts a program."""
    words = [arguments] if isinstance(arguments, (str, bytes)) else list(arguments)
    shown = ", ".join(quoted(os.fspath(word)) for word in words)
    return "execve(%s, [%s], 0x0 /* 0 vars */) = 0" % (quoted(path), shown)


def find_program(program, environment):
    """Find a program as execvp does; None where there is none."""
    name = os.fsencode(program)
    if b"/" in name:
        return name if os.access(name, os.X_OK) else None
    for folder in os.get_exec_path(environment):
        path = os.path.join(os.fsencode(folder), name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def socket_address(connection, address):
    """Give a socket's address as strace prints it."""
    family = getattr(connection.family, "name", str(connection.family))
    if family == "AF_UNIX":
        return "{sa_family=AF_UNIX, sun_path=%s}, 110" % quoted(address)
    if family == "AF_INET":
        text = '{sa_family=AF_INET, sin_port=htons(%d), sin_addr=inet_addr("%s")}, 16'
        return text % (address[1], address[0])
    if family == "AF_INET6":
        text = (
            "{sa_family=AF_INET6, sin6_port=htons(%d), sin6_flowinfo=htonl(0), "
            'inet_pton(AF_INET6, "%s", &sin6_addr), sin6_scope_id=0}, 28'
        )
        return text % (address[1], address[0])
    return "{sa_family=%s}, 16" % family


def install(path, marks, imports):
    """Write all that follows in this interpreter, and in what it forks, to the file `path`."""
    auditor = Auditor(Trace(path))
    auditor.trace.write(execution(sys.executable, [sys.executable]))
    sys.addaudithook(auditor.hook)
    os.register_at_fork(before=auditor.before_fork, after_in_child=auditor.after_fork)
    imports.after("threading", lambda module: observe_threads(module.Thread, auditor.trace))


def observe_threads(thread_class, trace):
    """Have each thread tell of its birth before the call that started it returns."""
    begin = thread_class._bootstrap

    class Bootstrap:
        """Looked up by the starting thread, called by the new one."""

        def __get__(self, thread, kind=None):
            if thread is None:
                return self
            creator = get_native_id()

            def run():
                trace.write("%s = %d" % (_THREAD, get_native_id()), creator)
                begin(thread)

            return run

    thread_class._bootstrap = Bootstrap()
