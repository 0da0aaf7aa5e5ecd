"""What is known of settings: which tell only of the session, which act through libraries."""

from __future__ import annotations

import re

_RUNTIME = re.compile(
    r"(JPY|JUPYTER|IPYKERNEL|IPYTHON|PYDEVD|PYDEV|DEBUGPY|GEVENT|PYCHARM|NBREPRO|PYTEST)_?"
    r"|COLUMNS\Z|LINES\Z|TERM\Z|COLORTERM\Z|SHLVL\Z|_\Z|(OLD)?PWD\Z|SSH_|XDG_SESSION|XDG_RUNTIME"
    r"|DBUS_|INVOCATION_ID\Z|JOURNAL_STREAM\Z|WINDOWID\Z|GPG_|LS_COLORS\Z"
)
_PLACING = re.compile(
    r"(PATH|HOME|USER|USERNAME|LOGNAME|LNAME|MAIL|HOSTNAME|HOST|SHELL|DISPLAY|TMPDIR|TEMP|TMP"
    r"|PYTHONUSERBASE|PYTHONPATH|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV"
    r"|MPLCONFIGDIR)\Z|XDG_|LC_|PYTHON|LANG|TZ\Z"
)
_THREADS = re.compile(
    r"(OMP|OPENBLAS|GOTO|MKL|BLIS|VECLIB|NUMEXPR|NUMEXPR_MAX|NUMBA)_(NUM|MAXIMUM|DYNAMIC|CORETYPE"
    r"|MAX)?_?\w*\Z|LD_PRELOAD\Z"
)
_OF_PACKAGE = (("MPL", "matplotlib"), ("NUMBA_", "numba"), ("CUDA_", "torch"), ("NPY_", "numpy"))


def is_of_session(name: str) -> bool:
    """Tell whether a setting only tells of the session: terminal, process ids, the kernel's own."""
    return bool(_RUNTIME.match(name))


def only_places(name: str) -> bool:
    """Tell whether a setting says who and where one is, or how text is shown.

    What is found at a place is compared by itself, so that such a setting is a cause only where
    nothing else explains what differs.
    """
    return bool(_PLACING.match(name))


def acts_through(name: str, packages: frozenset[str], native: bool) -> bool | None:
    """Tell whether a setting of the kernel's start acts on code that uses `packages`.

    `native` says that libraries for linear algebra or threads were loaded. None: it may act on
    any code.
    """
    for start, package in _OF_PACKAGE:
        if name.startswith(start):
            return package in packages or (native and start == "NUMBA_")
    return native if _THREADS.match(name) else None
