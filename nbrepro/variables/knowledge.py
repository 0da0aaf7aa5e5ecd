"""What is known of common functions and methods: whether they change what they are given.

Only what is listed here is taken to change nothing. The rest may change its arguments, and the
kernel's view tells whether it did.
"""

from __future__ import annotations

from fnmatch import fnmatchcase


def words(text: str) -> frozenset[str]:
    """Give the words of a text."""
    return frozenset(text.split())


FRESH_BUILTINS = words(
    "abs all any ascii bin bool bytes callable chr complex divmod float format hasattr hash hex id"
    " input int isinstance issubclass len oct ord pow print range repr round str sum type"
)
"""Functions of Python whose result holds nothing of their arguments."""

BUILTINS = FRESH_BUILTINS | words(
    "classmethod delattr dict dir enumerate eval exec filter frozenset getattr globals iter list"
    " locals map max memoryview min next object open property reversed set setattr slice sorted"
    " staticmethod super tuple vars zip bytearray breakpoint compile help display"
    " __import__"
)
ITERATING = words(
    "all any bytes bytearray dict enumerate filter frozenset iter list map max min reversed set"
    " sorted sum tuple zip"
)
LAZY = words("enumerate filter iter map open reversed zip")
"""Functions of Python whose result is used up by iterating, or is a file."""

PURE_MODULES = words(
    "bisect calendar cmath collections colorsys copy dataclasses datetime decimal difflib enum"
    " fractions functools hashlib html itertools json math matplotlib numbers numpy operator os"
    " pandas pathlib pprint random re scipy seaborn statistics string struct sys textwrap time"
    " typing unicodedata uuid warnings zlib IPython"
)
"""Modules whose functions change their arguments only where `CHANGING` lists them."""

CHANGING = (
    "numpy.copyto", "numpy.put*", "numpy.place", "numpy.fill_diagonal", "numpy.random.shuffle",
    "random.shuffle", "heapq.*", "bisect.insort*", "operator.i*", "operator.setitem",
    "operator.delitem", "struct.pack_into", "numpy.add.at", "numpy.*.at", "json.load", "json.dump",
    "matplotlib.pyplot.sca", "functools.*", "itertools.*", "copy.replace", "dataclasses.field",
    "pandas.DataFrame.*", "pandas.Series.*", "numpy.ndarray.*", "matplotlib.pyplot.setp",
)  # fmt: skip

DATA_MODULES = words("math numpy pandas statistics json re datetime decimal fractions")
"""Modules whose functions give data: containers, arrays, frames, numbers, text."""

NOT_DATA = (
    "numpy.random.default_rng*", "numpy.random.RandomState*", "numpy.random.Generator*",
    "numpy.nditer*", "numpy.memmap*", "numpy.load*", "pandas.ExcelFile*", "pandas.ExcelWriter*",
    "pandas.HDFStore*", "numpy.vectorize*", "numpy.frompyfunc*", "re.finditer*", "json.JSON*",
    "numpy.random.*",
)  # fmt: skip

CHANGING_METHODS = words(
    "add append appendleft clear difference_update discard extend extendleft fill fit"
    " insert intersection_update move_to_end partial_fit pop popitem popleft put remove resize"
    " reverse rotate seed send setdefault setflags sort symmetric_difference_update throw"
    " update write writelines writerow writerows itemset setitem"
)
"""Methods that change their object, or nothing does."""

PURE_METHODS = words(
    "abs agg aggregate all any apply applymap argmax argmin argsort asfreq assign astype"
    " between bfill capitalize casefold center clip combine_first copy corr count cov"
    " cummax cummin cumprod cumsum decode describe diff dot drop_duplicates dropna duplicated"
    " encode endswith eq equals ewm expanding explode ffill fillna filter find first flatten"
    " format ge get get_group groupby gt head idxmax idxmin index info interpolate"
    " isalnum isalpha isdigit isin islower isna isnull isspace isupper items iterrows itertuples"
    " join keys kurt last le ljust lower lstrip lt map max mean median melt memory_usage"
    " merge min mode mul ne nlargest notna notnull nsmallest nunique partition pct_change pipe"
    " pivot pivot_table plot prod quantile query rank ravel reindex replace resample reset_index"
    " reshape rfind rindex rjust rolling round rpartition rsplit rstrip sample select_dtypes sem"
    " set_axis set_index shift size skew sort_index sort_values split splitlines squeeze"
    " stack startswith std strip sub sum swapcase tail take title to_csv to_dict to_frame"
    " to_json to_list to_numpy to_pandas to_parquet to_pickle to_string to_timestamp tobytes"
    " tolist transform translate transpose tz_convert tz_localize unique unstack upper value_counts"
    " values var where xs zfill hist boxplot cumulative_sum isnumeric strftime isoformat"
    " bit_length as_integer_ratio conjugate hex difference intersection union issubset"
    " issuperset symmetric_difference isdisjoint most_common elements cut nonzero trace"
)
"""Methods of text, numbers, containers, arrays and frames that change nothing."""

PLOTTING_MODULES = frozenset(["matplotlib", "seaborn", "pylab", "plotly", "bokeh", "altair"])

_CONFIGURING = (
    "set*", "use", "use_*", "config*", "enable*", "disable*", "register*", "unregister*", "reset*",
    "init*", "activate*", "install*", "patch*", "add_*", "switch*", "push*", "pop*", "seed*",
    "load_*", "theme*", "connect*", "start*", "stop*", "close*",
)  # fmt: skip


def is_pure(dotted: str, keywords: frozenset[str]) -> bool:
    """Tell whether a function of a module is known to change none of its arguments."""
    root = dotted.partition(".")[0]
    if root not in PURE_MODULES or "inplace" in keywords or "out" in keywords:
        return False
    return not any(fnmatchcase(dotted, pattern) for pattern in CHANGING)


def gives_data(dotted: str) -> bool:
    """Tell whether a function of a module is known to give data that iterating does not use up."""
    if dotted.partition(".")[0] not in DATA_MODULES:
        return False
    return not any(fnmatchcase(dotted, pattern) for pattern in NOT_DATA)


def may_configure(dotted: str) -> bool:
    """Tell whether a function of a module may change that module, by its name."""
    last = dotted.rpartition(".")[2]
    return any(fnmatchcase(last, pattern) for pattern in _CONFIGURING)
