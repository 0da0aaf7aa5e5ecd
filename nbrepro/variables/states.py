"""States that belong to no name: who changes them, and who depends on them.

A state is set where nothing of what it was before remains (`seed`), else changed. `drawn` states
are read by whatever changes them. Sources: the libraries' own documentation.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from nbrepro.variables.knowledge import words


@dataclass(frozen=True, slots=True)
class StateRule:
    """One state: the calls (dotted, `*` allowed) that set, change or read it.

    `assigned` are attributes whose assignment changes it. `broad` says that any code may depend
    on it. `methods` are names of methods of whatever object that may depend on it.
    """

    what: str
    sets: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    assigned: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    drawn: bool = False
    broad: bool = False


_DRAWING = words(
    "plot hist boxplot bar barh imshow scatter pie fill_between contour contourf pcolormesh"
    " errorbar show savefig figure subplots legend plot_surface heatmap area kde density hexbin"
)
_SAMPLING = words(
    "sample fit fit_transform fit_predict rvs shuffle permutation train_test_split resample"
)

STATES = {
    "random": StateRule(
        "random numbers of random", ("random.seed", "random.setstate"), ("random.*",),
        methods=frozenset({"shuffle"}), drawn=True,
    ),
    "numpy.random": StateRule(
        "random numbers of numpy", ("numpy.random.seed", "numpy.random.set_state"),
        ("numpy.random.*", "sklearn.*", "scipy.stats.*"), methods=_SAMPLING, drawn=True,
    ),
    "torch": StateRule(
        "random numbers of torch", ("torch.manual_seed",), ("torch.*",), drawn=True,
    ),
    "tensorflow": StateRule(
        "random numbers of tensorflow", ("tensorflow.random.set_seed",), ("tensorflow.*",),
        drawn=True,
    ),
    "matplotlib": StateRule(
        "settings of matplotlib", (),
        ("matplotlib.rc", "matplotlib.use", "*.rcdefaults", "*.rc_file", "*.rcParams.*",
         "matplotlib.pyplot.rc", "matplotlib.style.*", "matplotlib.pyplot.style.*",
         "matplotlib.pyplot.switch_backend", "matplotlib.pyplot.ion", "matplotlib.pyplot.ioff",
         "seaborn.set*", "seaborn.reset*", "matplotlib_inline.*", "*.set_matplotlib_formats"),
        ("matplotlib.*", "seaborn.*", "pylab.*"), ("*.rcParams", "*.rcParams.*"), _DRAWING,
    ),
    "figures": StateRule(
        "open figures of matplotlib", (), ("matplotlib.pyplot.*",),
        ("matplotlib.pyplot.*", "seaborn.*"), methods=_DRAWING, drawn=True,
    ),
    "warnings": StateRule(
        "filters of warnings", (), ("warnings.*filter*", "warnings.resetwarnings",
        "warnings.filters.*", "logging.captureWarnings"), assigned=("warnings.*",), broad=True,
    ),
    "environ": StateRule(
        "the environment", (), ("os.environ.*", "os.putenv", "os.unsetenv", "dotenv.load_dotenv"),
        assigned=("os.environ", "os.environ.*"), broad=True,
    ),
    "cwd": StateRule("the working directory", (), ("os.chdir", "os.fchdir"), broad=True),
    "sys": StateRule(
        "the interpreter's settings", (),
        ("sys.path.*", "sys.set*", "sys.meta_path.*", "sys.modules.*", "site.addsitedir",
         "importlib.reload", "faulthandler.*", "gc.*able", "threading.setprofile", "atexit.*"),
        assigned=("sys.*", "builtins.*"), broad=True,
    ),
    "pandas": StateRule(
        "options of pandas", (), ("pandas.set_option", "pandas.reset_option", "pandas.options.*",
        "pandas.set_eng_float_format"), assigned=("pandas.options.*",), broad=True,
    ),
    "numpy": StateRule(
        "settings of numpy", (), ("numpy.set_printoptions", "numpy.seterr*", "numpy.setbufsize",
        "numpy.set_string_function"), broad=True,
    ),
    "logging": StateRule(
        "settings of logging", (), ("logging.basicConfig", "logging.config.*", "logging.disable",
        "logging.add*", "logging.set*", "logging.root.*", "logging.getLogger.().*"), broad=True,
    ),
    "locale": StateRule("the locale", (), ("locale.setlocale",), broad=True),
    "decimal": StateRule(
        "the context of decimal", (), ("decimal.setcontext", "decimal.getcontext.().*"),
        assigned=("decimal.getcontext.().*", "decimal.DefaultContext.*"), broad=True,
    ),
    "ipython": StateRule(
        "settings of IPython", (), ("IPython.*.set_*",), broad=True,
    ),
    "packages": StateRule("installed packages", broad=True),
}  # fmt: skip
"""By name. Every state is known by its name in the log of the kernel's view too."""

_QUIET = {
    "random": ("random.Random*", "random.SystemRandom*", "random.getstate"),
    "numpy.random": (
        "numpy.random.default_rng*", "numpy.random.Generator*", "numpy.random.SeedSequence*",
        "numpy.random.RandomState*", "numpy.random.PCG64*", "numpy.random.MT19937*",
        "numpy.random.Philox*", "numpy.random.SFC64*", "numpy.random.get_state",
    ),
}  # fmt: skip
"""Calls that look like those of a state and leave it alone."""


def states_of_call(dotted: str) -> list[tuple[str, str]]:
    """Give the states that a call of an imported function sets, changes or reads."""
    found = []
    for name, rule in STATES.items():
        if _fits(dotted, _QUIET.get(name, ())):
            continue
        if _fits(dotted, rule.sets):
            found.append((name, "set"))
        elif _fits(dotted, rule.changes):
            found.append((name, "change"))
        elif _fits(dotted, rule.reads):
            found.append((name, "read"))
    return found


def states_of_assignment(dotted: str) -> list[str]:
    """Give the states that an assignment to an imported module's attribute changes."""
    return [name for name, rule in STATES.items() if _fits(dotted, rule.assigned)]


def states_of_method(method: str) -> list[tuple[str, str]]:
    """Give the states that a method of whatever object may change or read."""
    return [
        (name, "change" if rule.drawn else "read")
        for name, rule in STATES.items()
        if method in rule.methods
    ]


def broad_states() -> list[str]:
    """List the states that any code may depend on."""
    return [name for name, rule in STATES.items() if rule.broad]


def _fits(dotted: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(dotted, pattern) for pattern in patterns)
