"""Which part of a cell's code is needed, and what files of modules import."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrepro.dependencies.code import read_code
from nbrepro.dependencies.modules import Strength, module_of, read_imports
from nbrepro.dependencies.reading import Readings

SETUP = """
import numpy as np
import matplotlib.pyplot as plt
import dask, dask.bag
from pathlib import Path
from scipy import stats, signal as waves

DATA = Path("data")

def slope(x):
    import statistics
    return stats.linregress(np.arange(len(x)), x)

def draw(x):
    plt.plot(x)
"""


def needed(source, *names, **how):
    part = read_code(source).part(names, **how)
    return sorted({i.module + "".join(f":{n}" for n in i.names) for i in part.imports})


def test_an_imported_name_needs_its_import_alone():
    assert needed(SETUP, "np") == ["numpy"]
    assert needed(SETUP, "waves") == ["scipy:signal"]
    assert needed(SETUP, "dask") == ["dask", "dask.bag"]


def test_a_function_needs_what_it_takes_when_it_is_called():
    assert needed(SETUP, "slope") == ["numpy", "scipy:stats", "statistics"]
    assert needed(SETUP, "draw") == ["matplotlib.pyplot"]


def test_a_value_needs_all_code_that_acts_but_no_idle_import():
    part = read_code(SETUP).part(["DATA"])
    assert needed(SETUP, "DATA") == ["pathlib:Path"]
    assert part.acts
    assert not read_code(SETUP).part(["np"]).acts


def test_a_cell_needed_for_what_it_does_needs_what_its_acts_take():
    assert needed(SETUP, acts=True) == ["pathlib:Path"]


def test_a_module_that_the_cell_changes_is_needed_with_the_change():
    source = "import numpy as np\nimport random\nimport scipy\nnp.random.seed(random.randint(0, 9))"
    assert needed(source, "np") == ["numpy", "random"]
    assert needed(source, "scipy") == ["scipy"]


def test_star_imports_are_always_needed():
    assert needed("from numpy import *\nimport scipy", "array") == ["numpy:*"]


def test_a_functions_own_names_are_not_the_notebooks():
    part = read_code("def f(path):\n    rows = [x for x in path]\n    return rows, other").all()
    assert part.loads == {"other"}


def test_magics_take_the_names_in_their_text():
    assert "name" in read_code("!echo {name} $other").all().loads
    assert "frame" in read_code("%timeit frame.sum()").all().loads
    assert needed("import numpy as np\n%matplotlib inline", "np") == ["numpy"]


@pytest.mark.parametrize("source", ["def", "x = (", "\0", "%%nothing\nelse"])
def test_code_that_cannot_be_read_is_needed_whole(source):
    code = read_code(source)
    assert code.part(["x"]).acts or code.known


@given(st.text(max_size=60))
def test_any_text_is_read_or_said_to_be_unknown(source):
    code = read_code(source)
    assert code.known or code.all().acts


@pytest.mark.parametrize(
    ("path", "name", "standard", "extension"),
    [
        ("/v/lib/python3.11/site-packages/numpy/__init__.py", "numpy", False, False),
        ("/v/lib/python3.11/site-packages/numpy/__pycache__/x.cpython-311.pyc", "numpy.x", False,
         False),
        ("/v/lib/python3.11/site-packages/a/_b.cpython-311-x86_64-linux-gnu.so", "a._b", False,
         True),
        ("/v/lib/python3.11/site-packages/_cffi.abi3.so", "_cffi", False, True),
        ("/u/lib/python3.11/json/decoder.py", "json.decoder", True, False),
        ("/u/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "_ssl", True, True),
        ("/usr/lib/python3/dist-packages/six.py", "six", False, False),
    ],
)  # fmt: skip
def test_a_file_of_a_site_is_a_module(path, name, standard, extension):
    module = module_of(path)
    assert (module.name, module.standard, module.extension) == (name, standard, extension)


@pytest.mark.parametrize(
    "path",
    [
        "/v/lib/python3.11/site-packages/numpy-2.1.dist-info/METADATA",
        "/v/lib/python3.11/site-packages/pillow.libs/libtiff-1.so.6",
        "/v/lib/python3.11/site-packages/x/data.json",
        "/home/u/analysis.py",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
    ],
)
def test_other_files_are_no_modules(path):
    assert module_of(path) is None


def test_a_projects_own_files_are_modules_below_its_root():
    assert module_of("/home/u/project/tools/fit.py", ["/home/u/project"]).name == "tools.fit"


@pytest.mark.parametrize("name", ["json", "asyncio", "email", "concurrent.futures", "xml.dom"])
def test_the_interpreter_agrees_on_the_names_of_modules(name):
    __import__(name)
    assert module_of(sys.modules[name].__file__).name == name


IMPORTS = """
import always
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import for_types
if sys.version_info >= (3, 8):
    import by_version
if have_it():
    import by_condition
try:
    import wished
except ImportError:
    wished = None
try:
    import needed_after_all
except ImportError as error:
    raise RuntimeError("install it") from error
try:
    import told_later
except ImportError as error:
    def use():
        raise error
with contextlib.suppress(ImportError):
    import suppressed
try:
    import unguarded
finally:
    pass
class Thing:
    import within_class
def later():
    from package.inner import name
from . import sibling
"""


def test_imports_are_told_by_how_they_bind(tmp_path):
    file = tmp_path / "m.py"
    file.write_text(IMPORTS)
    found = {one.module or one.names[0]: one.strength for one in read_imports(str(file))}
    required = {n for n, s in found.items() if s == Strength.REQUIRED}
    assert required == {
        "always", "typing", "by_version", "needed_after_all", "unguarded", "within_class",
        "sibling",
    }  # fmt: skip
    optional = {n for n, s in found.items() if s == Strength.OPTIONAL}
    assert optional == {"by_condition", "wished", "told_later", "suppressed"}
    assert found["package.inner"] == Strength.LAZY
    assert "for_types" not in found


def test_every_import_of_real_files_is_found():
    """The judge is a walk over the whole tree, which knows no strength."""
    for file in sorted(Path(ast.__file__).parent.glob("*.py"))[:60]:
        tree = ast.parse(file.read_bytes())
        said = {one.module for one in read_imports(str(file))}
        walked = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        for_types = {n for n in walked - said if "TYPE_CHECKING" in file.read_text()}
        assert walked - for_types <= said, file


def test_readings_are_kept_until_the_file_changes(tmp_path):
    file = tmp_path / "m.py"
    file.write_text("import first")
    readings = Readings(tmp_path / "cache")
    assert [i.module for i in readings.imports(str(file))] == ["first"]
    readings.keep()
    [kept] = (tmp_path / "cache").glob("*.json")
    assert Readings(tmp_path / "cache").imports(str(file)) == readings.imports(str(file))
    file.write_text("import second_one")
    assert [i.module for i in Readings(tmp_path / "cache").imports(str(file))] == ["second_one"]
    kept.write_text(json.dumps({str(file): [[1, 2], "nonsense"]}))
    assert [i.module for i in Readings(tmp_path / "cache").imports(str(file))] == ["second_one"]
    kept.write_text("half a li")
    assert Readings(tmp_path / "cache").imports(str(tmp_path / "gone.py")) is None
