"""Log which names of os.environ each cell reads, and the settings that matter as the kernel starts.

The dictionary inside os.environ is replaced by one that tells what it is asked for: a traceback
shows nothing of it, since os.environ raises its own KeyError, and every method stays as it was.
What C code asks by getenv is not seen. Walking over all of the environment, as a copy of it does,
reads no single name. A secret's value never leaves the process.
"""

import os
import re
from _thread import get_ident

FIXED = (
    "CUDA_VISIBLE_DEVICES", "GOTO_NUM_THREADS", "LANG", "LANGUAGE", "MKL_DYNAMIC",
    "MKL_NUM_THREADS", "MPLBACKEND", "NUMEXPR_NUM_THREADS", "OMP_DYNAMIC", "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "PYTHONIOENCODING",
    "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONUTF8", "TZ", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
PATTERNS = ("BLIS_", "LC_", "LD_LIBRARY_PATH", "LD_PRELOAD", "NUMBA_", "NPY_")
_SECRET_NAME = re.compile(
    "TOKEN|SECRET|KEY|PASSWORD|PASSWD|PASSPHRASE|PASSCODE|(^|_|PG)PASS(_|$)|AUTH|COOKIE|CREDENTIAL|PRIVATE|"
    "SIGNATURE|DATABASE_URL|_DSN(_|$)|CONNECTION_STRING|(^|_)PWD_|_PWD(_|$)",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s@]*:[^/\s@]*@"  # a URL with credentials
    r"|-----BEGIN |\beyJ[\w-]{8,}\.[\w-]+\.|\b(Bearer|Basic) [\w.=+/-]{8,}"
    r"|\b(gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|AKIA|ASIA|AIza|hf_|pypi-)[\w-]{8,}"
    # a long word of letters and digits that is no part of a path, or one that looks like base64
    r"|(?<![\w+=/.-])(?=[A-Za-z_+=]*\d)(?=[\d_+=]*[A-Za-z])[A-Za-z0-9_+=]{32,}(?![\w+=/.-])"
    r"|\A(?!/)(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/=_-]{32,}\Z"
)
_LONGEST = 16384


def is_secret(name, value):
    """Tell whether a value may not be recorded, by the name or by what the value looks like."""
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


def describe(name, value):
    """Give (state, value) of a setting as the log has it; `value` is None where it is unset."""
    if value is None:
        return "unset", ""
    if is_secret(name, value):
        return "withheld", ""
    if len(value) > _LONGEST:
        import hashlib

        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return "set", "%s… (%d characters, sha256 %s)" % (value[:200], len(value), digest)
    return "set", value


class Walk:
    """A thread's walk over all names: which come, how many came, and what was read of them."""

    def __init__(self, names):
        self.names = names
        self.at = 0
        self.met = []

    def goes_on(self, name):
        """Tell whether reading `name` is the next step."""
        expected = self.at < len(self.names) and self.names[self.at] == name
        self.at += expected
        return expected


class Reads:
    """The log of what was read: each name once for each cell execution."""

    def __init__(self, path, marks):
        self.path = path
        self.marks = marks
        self.told = set()
        self.waiting = []
        self.walks = {}  # by thread

    def begin_walk(self, names):
        """Note that the present thread begins to walk over all names."""
        self.end_walk()
        self.walks[get_ident()] = Walk(names)

    def end_walk(self):
        """End the present thread's walk: one that did not come to the end read what it met."""
        walk = self.walks.pop(get_ident(), None)
        if walk and walk.at < len(walk.names):
            for read in walk.met:
                self.tell(*read)

    def read(self, name, value):
        """Note that the present thread read `name`; `value` is None where it is unset."""
        cell = self.marks["owner"]()
        execution = int(cell[0]) if cell else 0
        walk = self.walks.get(get_ident()) if self.walks else None
        if walk and walk.goes_on(name):
            walk.met.append((execution, name, value))
            return
        if walk:
            self.end_walk()
        self.tell(execution, name, value)

    def tell(self, execution, name, value):
        """Log a read, if it is the cell's first of that name; the kernel's own wait."""
        if (execution, name) not in self.told:
            self.told.add((execution, name))
            self.waiting.append((execution, name, value))
            if execution:
                self.flush()

    def end_cell(self):
        """Log what is not yet logged."""
        self.end_walk()
        self.flush()

    def flush(self):
        """Append what waits to the log, in one piece."""
        lines = []
        while self.waiting:
            lines.append(as_line(*self.waiting.pop(0)))
        if not lines:
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            target = os.open(self.path, flags, 0o600)
        except OSError:
            return  # A process that may not write it goes on without.
        try:
            os.write(target, "".join(lines).encode("ascii"))
        finally:
            os.close(target)


def as_line(execution, name, value):
    """Give a read as the log has it."""
    import json

    shown = os.fsdecode(name)
    state, text = describe(shown, None if value is None else os.fsdecode(value))
    record = {"execution": execution, "name": shown, "state": state, "value": text}
    return json.dumps(record) + "\n"


def telling(reads):
    """Make the class of dictionaries that tell `reads` what they are asked for."""

    def guarded(act, *arguments):
        # The notebook must not notice a defect of ours.
        try:
            act(*arguments)
        except Exception:
            return

    class Environment(dict):
        __slots__ = ()

        def __getitem__(self, name):
            if type(name) is bytes:
                guarded(reads.read, name, dict.get(self, name))
            return dict.__getitem__(self, name)

        def __iter__(self):
            names = list(dict.__iter__(self))
            guarded(reads.begin_walk, names)
            return iter(names)

    return Environment


def note_start(reads):
    """Note the settings that matter to what a kernel computes, set or not."""
    kept = os.environ._data
    others = [name for name in map(os.fsdecode, dict.keys(kept)) if name.startswith(PATTERNS)]
    for name in map(os.fsencode, sorted({*FIXED, *others})):
        reads.tell(0, name, dict.get(kept, name))


def install(path, marks):
    """Log to `path` what is read; give what to call after a cell.

    Does nothing where Python keeps the environment in another way than it is known to.
    """
    kept = getattr(os.environ, "_data", None)
    if type(kept) is not dict or not path:
        return lambda: None
    reads = Reads(path, marks)
    os.environ._data = telling(reads)(kept)
    if getattr(os, "environb", None) is not None:
        os.environb._data = os.environ._data
    note_start(reads)
    return reads.end_cell
