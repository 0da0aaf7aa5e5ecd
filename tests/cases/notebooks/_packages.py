import importlib.metadata
import sys

FILES = {}
AT_START = set()
for distribution in importlib.metadata.distributions():
    identity = distribution.metadata["Name"], distribution.version
    place = os.path.realpath(distribution.locate_file(""))
    for line in (distribution.read_text("RECORD") or "").splitlines():
        name = line.rsplit(",", 2)[0].strip('"')
        if name.endswith((".py", ".so")):
            FILES[os.path.join(place, name)] = identity
        if name.endswith(".pth"):
            AT_START.add(identity)
loaded = set()


def remember(*_):
    """Note what is imported already, when a cell starts."""
    loaded.clear()
    loaded.update(sys.modules)


def packages(*also):
    """Declare the distributions of the modules that this cell imported first, and `also`.

    `also` names distributions of which the cell opened files without a first import.
    """
    new = [sys.modules[name] for name in set(sys.modules) - loaded]
    files = {os.path.realpath(getattr(module, "__file__", None) or "") for module in new}
    found = {FILES[file] for file in files if file in FILES}
    found |= {pair for pair in FILES.values() if pair[0] in also}
    print("@packages", json.dumps(sorted(found)))


def packages_of_interpreter(*names):
    """Declare what a child interpreter used: `names`, and the .pth files that each one reads."""
    packages(*names)
    print("@may_packages", json.dumps(sorted(AT_START)))


get_ipython().events.register("pre_run_cell", remember)
