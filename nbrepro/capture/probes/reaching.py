"""What a name reaches, as one number: equal before and after a cell that changed nothing of it.

Only the interpreter's own code runs, and that of known libraries: never a user's `__eq__`,
`__hash__`, `__repr__`, property or `__getattr__`. An object that cannot be seen into is named.
"""

import marshal
import sys
import time
import types

_loaded = "gc" in sys.modules
import gc  # noqa: E402

if not _loaded:
    del sys.modules["gc"]  # a notebook may list what is loaded; loading it again gives the same

_NUMBERS = frozenset((int, float, complex, bool, type(None)))
_TEXTS = frozenset((str, bytes))
_LEAVES = frozenset(
    (type(Ellipsis), type(NotImplemented), range, slice, type(len), type(str.upper),
     type(str.__add__), type("".__add__), type(type.__dict__["__dict__"]),
     type(types.FunctionType.__code__), types.CodeType, types.FrameType)
)  # fmt: skip
_FIXED_TYPES = frozenset(
    ("datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta",
     "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID", "re.Pattern",
     "re.Match", "weakref.ReferenceType", "pathlib.PosixPath", "pathlib.PurePosixPath",
     "pathlib._local.PosixPath", "pathlib._local.PurePosixPath", "zoneinfo.ZoneInfo")
)  # fmt: skip
_LISTS = frozenset((list, tuple, set, frozenset))
_THROUGH = frozenset(
    (types.MethodType, types.CellType, types.MappingProxyType, types.SimpleNamespace, property,
     staticmethod, classmethod, zip, map, filter, enumerate, type({}.keys()), type({}.values()),
     type({}.items()), super)
)  # fmt: skip
_STEPPED = frozenset((type(iter([])), type(iter(())), type(iter(range(1))), type(iter("")),
                      type(reversed([])), type(iter({})), type(iter(set()))))  # fmt: skip
_BASES = frozenset((object, list, tuple, dict, set, frozenset, int, float, str, bytes, complex))
_FLAGS = type.__dict__["__flags__"].__get__
_MRO = type.__dict__["__mro__"].__get__
_SPACE = type.__dict__["__dict__"].__get__
_MODULE = type.__dict__["__module__"].__get__
_SIZE = type.__dict__["__basicsize__"].__get__
_HEAP, _FIXED = 1 << 9, 1 << 8
_MEMBER = types.MemberDescriptorType
_DARK = frozenset(
    ("matplotlib", "tensorflow", "torch", "jax", "plotly", "bokeh", "logging", "threading",
     "asyncio", "ipykernel", "IPython", "zmq", "dask", "distributed", "ipywidgets", "traitlets",
     "multiprocessing", "concurrent", "subprocess", "ndcctools")
)  # fmt: skip
_UNTOLD = frozenset(("__dict__", "__weakref__", "__doc__", "_abc_impl", "__abstractmethods__"))
_ARRAYS = ("_ndarray", "_data", "_mask", "_left", "_right", "_dtype", "_categories")
_INDEX = ("_range", "_levels", "_codes", "_names", "_data", "_name")
_NS_AN_ITEM = 60
_NS_A_BYTE = 0.7
_EVERY = 128
_get = object.__getattribute__


class Reach:
    """One walk over all that a value reaches, until `deadline` (ns of the thread's CPU time)."""

    def __init__(self, space, deadline):
        self.space = space
        self.deadline = deadline
        self.out = []
        self.seen = {}
        self.kept = []
        self.shared = []
        self.stack = []
        self.reason = ""
        self.code = False
        self.plain = {}

    def walk(self, root):
        """Give the number of what `root` reaches; `reason` says what was not seen, if anything."""
        stack, out, count = self.stack, self.out, 0
        stack.append(root)
        while stack:
            count += 1
            if not count % _EVERY and time.thread_time_ns() > self.deadline:
                self.reason = self.reason or "time"
                break
            value = stack.pop()
            kind = type(value)
            if kind in _NUMBERS:
                out.append(value)
            elif kind in _TEXTS:
                out.append(hash(value))
            else:
                self.enter(value, kind)
        del stack[:]
        return hash(marshal.dumps(out, 2))

    def enter(self, value, kind):
        """Note an object that is no plain number or text, once, and put its parts on the stack."""
        known = self.seen.get(id(value))
        if known is not None:
            self.out.append((known,))
            return
        self.seen[id(value)] = len(self.seen)
        self.kept.append(value)  # or its address may be another's before the walk ends
        if kind in _LEAVES:
            self.out.append(id(value))
            return
        if kind in _LISTS:
            self.list(value, kind)
        elif kind is dict:
            self.dict(value)
        elif kind is types.FunctionType:
            self.function(value)
        elif kind in _THROUGH:
            self.parts(gc.get_referents(value))
        else:
            self.other(value, kind)

    def affords(self, size, ns=_NS_AN_ITEM):
        """Tell whether there is time for `size` items."""
        if size < 64 or time.thread_time_ns() + size * ns < self.deadline:
            return True
        self.reason = self.reason or "size"
        return False

    def parts(self, values):
        self.out.append(len(values))
        self.stack.extend(values)

    def share(self, value):
        """Note an object that another name may reach too and change."""
        self.shared.append(id(value))

    def list(self, value, kind):
        size = len(value)
        if kind is list or kind is set:
            self.share(value)
        if not self.affords(size):
            self.out.append(size)
            return
        kinds = frozenset(map(type, value)) if size > 8 else _LISTS
        if kinds <= _NUMBERS:
            self.out.append(hash(marshal.dumps(value, 2)))
        elif kinds <= _TEXTS:
            self.out.append(hash(tuple(value)))
        else:
            self.parts(value)

    def dict(self, value):
        self.share(value)
        self.out.append(-len(value))
        if self.affords(2 * len(value)):
            self.list(tuple(dict.keys(value)), tuple)
            self.list(tuple(dict.values(value)), tuple)

    def function(self, value):
        if value.__globals__ is self.space:
            self.code = True
        self.out.append(id(value.__code__))
        self.stack.extend((value.__defaults__, value.__kwdefaults__))
        if value.__closure__:
            self.stack.extend(value.__closure__)
            self.share(value)
        if value.__dict__:
            self.stack.append(value.__dict__)

    def other(self, value, kind):
        """Note an object of a class: one that is known here, or that Python code defined."""
        mro = _MRO(kind)
        module = self.module_of(kind)
        root = module.partition(".")[0]
        if type in mro:
            self.of_class(value)
        elif root in ("numpy", "pandas", "pyarrow"):
            self.of_library(value, kind, mro, root)
        elif types.ModuleType in mro:
            self.of_module(value)
        elif root in _DARK or not self.of_runtime(value, kind, module):
            self.instance(value, kind, mro, root in _DARK)

    def module_of(self, kind):
        module = _MODULE(kind)
        return module if type(module) is str else "builtins"

    def of_class(self, value):
        space = _SPACE(value)
        self.out.append(id(value))
        if space.get("__module__") == "__main__":
            self.code = True
            self.stack.extend(part for name, part in space.items() if name not in _UNTOLD)
            self.stack.extend(base for base in _MRO(value) if base is not value)

    def of_module(self, value):
        """A module of the user's own is one more object; a library's is left out."""
        space = value.__dict__ if type(value) is types.ModuleType else {}
        file = space.get("__file__")
        self.out.append(id(value))
        if space and self.is_own(file, space):
            self.code = True
            self.stack.extend(part for name, part in space.items() if not name.startswith("__"))

    def is_own(self, file, space):
        if type(file) is str:
            return not file.startswith((sys.prefix, sys.base_prefix))
        return space.get("__spec__") is None

    def instance(self, value, kind, mro, dark):
        """Note an object whose class Python code defined: all of it is known to the collector."""
        plain = self.plain.get(kind)
        if plain is None:
            plain = self.plain[kind] = not dark and self.is_plain(kind, mro)
        if not plain:
            self.reason = self.reason or "opaque " + self.name_of(kind)
            self.out.append(id(value))
            return
        self.share(value)
        self.out.append(id(kind))
        if dict in mro:
            self.out.append(len(dict.keys(value)))
        for base in (int, float, str):
            if base in mro:
                self.out.append(hash(base.__str__(value)))
        referents = gc.get_referents(value)
        self.parts([part for part in referents if part is not kind])
        self.stack.append(kind)

    def is_plain(self, kind, mro):
        if BaseException in mro:
            return False
        slots, size = 2, 16
        for base in mro:
            if base in _BASES:
                size = max(size, _SIZE(base))
                continue
            if not _FLAGS(base) & _HEAP or _FLAGS(base) & _FIXED:
                return False
            slots += sum(type(part) is _MEMBER for part in _SPACE(base).values())
        return _SIZE(kind) <= size + 8 * slots

    def name_of(self, kind):
        return self.module_of(kind) + "." + type.__dict__["__qualname__"].__get__(kind)

    # The interpreter's own objects with a state that the collector does not see

    def of_runtime(self, value, kind, module):
        """Note an object of a known class of Python's; tell whether it is one."""
        name = type.__dict__["__name__"].__get__(kind)
        if kind in _STEPPED:
            self.out.append(value.__length_hint__())
            self.parts(gc.get_referents(value))
        elif kind is types.GeneratorType or kind is types.CoroutineType:
            frame = value.gi_frame if kind is types.GeneratorType else value.cr_frame
            self.out.append(-1 if frame is None else frame.f_lasti)
            self.code = True
            self.parts(gc.get_referents(value))
        elif kind is bytearray:
            self.content(value, len(value))
        elif module == "collections" and name in ("deque", "OrderedDict", "defaultdict", "Counter"):
            self.collection(value, name)
        elif module == "random" and name == "Random":
            self.out.append(hash(sys.modules["_random"].Random.getstate(value)))
        elif module == "_io" and name in ("StringIO", "BytesIO"):
            self.memory_file(value)
        elif module == "functools" and name == "_lru_cache_wrapper":
            self.out.extend(value.cache_info()[1:])
            self.stack.append(value.__dict__.get("__wrapped__"))
        elif module == "functools" and name == "partial":
            self.parts(gc.get_referents(value))
        elif module + "." + name in _FIXED_TYPES:
            self.out.append(id(value))
        else:
            return False
        return True

    def collection(self, value, name):
        self.share(value)
        if name == "deque":
            self.list(tuple(value), tuple)
        elif name == "OrderedDict":
            self.parts([part for pair in value.items() for part in pair])
        else:
            self.dict(value)
            self.stack.append(getattr(value, "default_factory", None))

    def memory_file(self, value):
        self.share(value)
        if value.closed:
            self.out.append(None)
            return
        self.out.append(value.tell())
        self.out.append(hash(value.getvalue()))

    def content(self, value, size):
        self.share(value)
        if self.affords(size, _NS_A_BYTE):
            self.out.append(hash(bytes(value)))

    # Arrays and frames

    def of_library(self, value, kind, mro, root):
        """Note an object of numpy, pandas or pyarrow."""
        numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
        if root == "pyarrow":
            self.out.append(id(value))  # its arrays and tables never change
        elif numpy and numpy.ndarray in mro:
            self.array(value, numpy)
        elif root == "numpy":
            self.of_numpy(value, kind, mro, numpy)
        elif pandas and (pandas.DataFrame in mro or pandas.Series in mro):
            self.frame(value)
        elif pandas and pandas.Index in mro:
            self.attributes(value, _INDEX)
        elif pandas and pandas.api.extensions.ExtensionArray in mro:
            self.share(value)
            self.attributes(value, _ARRAYS)
            arrow = getattr(value, "_pa_array", None)
            self.out.append(id(arrow))
        elif pandas and (pandas.api.extensions.ExtensionDtype in mro or "scalar" in kind.__name__
                         or pandas.Timestamp in mro or pandas.Timedelta in mro):  # fmt: skip
            self.out.append(id(value))
        else:
            self.instance(value, kind, mro, False)

    def of_numpy(self, value, kind, mro, numpy):
        if numpy.generic in mro:
            self.out.append(hash(value.tobytes()))
        elif numpy.dtype in mro or numpy.ufunc in mro:
            self.out.append(id(value))
        elif kind.__name__ == "Generator":
            self.share(value)
            self.stack.append(value.bit_generator.state)
        elif kind.__name__ == "RandomState":
            self.share(value)
            self.stack.append(value.get_state(legacy=False))
        else:
            self.instance(value, kind, mro, False)

    def attributes(self, value, names):
        for name in names:
            try:
                self.stack.append(_get(value, name))
            except AttributeError:
                continue

    def frame(self, value):
        """Note a frame or a series by its columns: how they lie in blocks may change by reading."""
        self.share(value)
        manager = _get(value, "_mgr")
        self.stack.extend(manager.axes)
        self.stack.append(_get(value, "_attrs"))
        if len(manager.axes) == 1:
            self.stack.append(manager.array)
        elif self.affords(len(manager.items), 2000):
            self.stack.extend(manager.iget_values(n) for n in range(len(manager.items)))

    def array(self, value, numpy):
        base = value
        while isinstance(base.base, numpy.ndarray):
            base = base.base
        self.share(base)
        # What lies in a file must not be read for this: that would count as the cell's reading.
        if type(base.base) not in (type(None), bytes, bytearray):
            self.reason = self.reason or "opaque array"
            self.out.append(id(base))
            return
        self.out.append((value.shape, value.dtype.num))
        if value.dtype.hasobject:
            if value.dtype.num == 17 and self.affords(value.size, 100):
                self.list(tuple(value.ravel().tolist()), tuple)
            elif value.dtype.num != 17:
                self.reason = self.reason or "opaque array"
        elif self.affords(value.nbytes, _NS_A_BYTE):
            self.out.append(hash(value.tobytes()))
        elif value.size:
            step = max(1, value.size // 1000)
            self.out.append(hash(value.flat[::step].tobytes()))
