"""Which loaded modules are needed by some of them: real packages on disk, made for each case."""

from __future__ import annotations

import pytest

from nbrepro.dependencies.code import Imported
from nbrepro.dependencies.imports import ImportGraph, Loaded
from nbrepro.dependencies.installed import find_installed
from nbrepro.dependencies.modules import module_of
from nbrepro.dependencies.reading import Readings


class Site:
    """A directory of packages; every module written is taken to have been loaded."""

    def __init__(self, root):
        self.path = root / "lib" / "python3.11" / "site-packages"
        self.path.mkdir(parents=True)
        self.modules = {}
        self.cache = root / "cache"

    def write(self, name, text="", owner=""):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        module = module_of(str(file))
        owner = owner or module.name.partition(".")[0]
        self.modules[module.name] = Loaded(module, owner)

    def declare(self, name, *requires):
        folder = self.path / f"{name}-1.0.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {r}" for r in requires)]
        (folder / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")

    def graph(self):
        def installed(loaded):
            return find_installed(loaded.owner, str(self.path))

        return ImportGraph(self.modules, lambda owner: owner, installed, Readings(self.cache))

    def needed(self, *roots, start=()):
        found = self.graph().needed(roots, start)
        return (
            {name for name, why in found.items() if why.exact},
            {name for name, why in found.items() if not why.exact},
        )


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_what_a_module_imports_as_it_loads_is_needed_and_its_packages_above(site):
    site.write("a/__init__.py", "import b.inner")
    site.write("b/__init__.py")
    site.write("b/inner.py", "from . import other")
    site.write("b/other.py", "from c import thing, value")
    site.write("c/__init__.py")
    site.write("c/thing.py")
    site.write("d.py")
    assert site.needed("a") == ({"a", "b", "b.inner", "b.other", "c", "c.thing"}, set())


def test_imports_of_what_was_not_loaded_lead_nowhere(site):
    site.write("a.py", "import windows_only\nfrom a import missing")
    assert site.needed("a", "gone") == ({"a"}, set())


def test_wishes_and_later_imports_are_possible_and_so_is_what_they_need(site):
    site.write("a.py", "try:\n import wish\nexcept ImportError:\n pass\ndef f():\n import later")
    site.write("wish.py", "import deep")
    site.write("deep.py")
    site.write("later.py", "import sure")
    site.write("sure.py")
    assert site.needed("a") == ({"a"}, {"wish", "deep", "later", "sure"})
    assert site.needed("a", "sure") == ({"a", "sure"}, {"wish", "deep", "later"})


def test_what_a_start_imports_later_it_does_for_others(site):
    site.write("kernel.py", "def show():\n import plots")
    site.write("plots.py")
    assert site.needed("kernel", start={"kernel"}) == ({"kernel"}, set())
    assert site.needed("kernel", "plots", start={"kernel"}) == ({"kernel", "plots"}, set())


def test_what_a_function_imports_and_the_distribution_requires_is_needed(site):
    site.write("a.py", "def f():\n import must\n import may\nf()")
    site.write("must.py")
    site.write("may.py")
    site.declare("a", "must", 'may; extra == "x"')
    assert site.needed("a") == ({"a", "must"}, {"may"})
    assert site.needed("a", start={"a"}) == ({"a"}, set())


def test_imports_that_are_put_off_are_possible(site):
    site.write("a.py", "with lazy_imports():\n    import later\nwith other():\n    import now")
    site.write("later.py")
    site.write("now.py")
    assert site.needed("a") == ({"a", "now"}, {"later"})


def test_compiled_modules_need_what_their_distribution_requires(site):
    site.write("fast/__init__.py", "from fast import _core")
    site.write("fast/_core.cpython-311-x86_64-linux-gnu.so", "\x7fELF")
    site.write("helper/__init__.py", "import base")
    site.write("base.py")
    site.write("extra.py")
    site.write("other.py")
    site.declare("fast", "helper>=1", 'extra; extra == "all"', 'other; python_version < "3"', "??")
    exact, possible = site.needed("fast")
    assert exact == {"fast", "fast._core", "helper", "base"}
    assert possible == set()


def test_plugins_of_a_needed_distribution_are_possible(site):
    site.write("a/__init__.py")
    site.write("a/plugin.py", "import base")
    site.write("base.py")
    site.write("b/__init__.py", "from b import known")
    site.write("b/known.py")
    assert site.needed("a") == ({"a"}, {"a.plugin", "base"})


def test_a_file_that_is_gone_is_taken_to_need_all_of_its_distribution(site):
    site.write("a/__init__.py", "from a import one")
    site.write("a/one.py")
    site.write("a/two.py")
    site.write("b.py")
    (site.path / "a/__init__.py").unlink()
    assert site.needed("a") == ({"a"}, {"a.one", "a.two"})


def test_circles_end(site):
    site.write("a.py", "import b")
    site.write("b.py", "import a")
    assert site.needed("a") == ({"a", "b"}, set())


def test_the_notebooks_imports_name_modules_and_what_they_take_from_them(site):
    site.write("a/__init__.py")
    site.write("a/b.py")
    graph = site.graph()
    assert graph.resolve(Imported("a", ("b", "VALUE"))) == ["a", "a.b"]
    assert graph.resolve(Imported("a.b")) == ["a", "a.b"]
    assert graph.resolve(Imported("elsewhere")) == []


@pytest.mark.parametrize("module", ["json", "urllib.request", "concurrent.futures", "sqlite3"])
def test_a_real_interpreter_loads_what_is_said_to_be_exact(module, tmp_path):
    """The judge is the interpreter, which loads the module with nothing else."""
    import subprocess
    import sys

    code = (
        "import sys; before = set(sys.modules); import importlib; importlib.import_module("
        "sys.argv[1]); print(*('%s=%s' % (n, getattr(m, '__file__', None) or '') "
        "for n, m in sys.modules.items()))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, module], capture_output=True, text=True, check=True
    )
    pairs = dict(pair.split("=", 1) for pair in done.stdout.split())
    loaded = {}
    for file in filter(None, pairs.values()):
        found = module_of(file)
        if found:
            loaded[found.name] = Loaded(found, "python")
    # Everything that is importable is offered as if it had been loaded.
    graph = ImportGraph(loaded, str, lambda _: None, Readings(tmp_path))
    exact = {name for name, why in graph.needed([module]).items() if why.exact}
    assert exact <= set(pairs)
    import_time = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", "-c", f"import {module}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.rpartition("|")[2] for line in import_time.stderr.splitlines()]
    last = next(i for i, line in enumerate(lines) if line.strip() == module)
    nested = []
    for line in reversed(lines[:last]):
        if len(line) - len(line.lstrip()) <= len(lines[last]) - len(lines[last].lstrip()):
            break
        nested.append(line.strip())
    with_files = {name for name in nested if name in loaded}
    assert with_files <= set(graph.needed([module])), with_files - set(graph.needed([module]))
