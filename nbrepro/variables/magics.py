"""What IPython's magics and shell commands do to names."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from nbrepro.variables.expressions import constant_text
from nbrepro.variables.knowledge import words
from nbrepro.variables.operations import NOTHING, Bind, Delete, Load, State, Unknown, Value
from nbrepro.variables.statements import Statements

_RUNS = frozenset({"time", "timeit", "prun", "capture", "debug", "memit", "mprun", "lprun"})
_SILENT = words(
    "html javascript js latex markdown svg writefile file lsmagic pinfo pinfo2 pdoc pdef psource"
    " pfile psearch pwd history notebook precision page pprint quickref"
)
_SHELLS = words("bash sh script sx system ! perl ruby python python2 python3 pypy")
_STATES = {
    "matplotlib": "matplotlib", "config": "ipython", "load_ext": "ipython",
    "unload_ext": "ipython", "reload_ext": "ipython", "autoreload": "ipython",
    "aimport": "ipython", "alias": "ipython", "alias_magic": "ipython", "xmode": "ipython",
    "colors": "ipython", "pdb": "ipython", "autocall": "ipython", "automagic": "ipython",
    "autoawait": "ipython", "doctest_mode": "ipython", "cd": "cwd", "pushd": "cwd",
    "popd": "cwd", "dhist": "cwd", "env": "environ", "set_env": "environ", "pip": "packages",
    "conda": "packages", "mamba": "packages", "micromamba": "packages", "uv": "packages",
}  # fmt: skip
_SHELL_NAME = re.compile(r"(?<![\\$])\$([A-Za-z_]\w*)|\{([^{}]+)\}")
_OPTION_VALUES = {"timeit": "nrt", "prun": "lsTD", "time": ""}


class Magics(Statements):
    """Reads cells in which `%`, `%%` and `!` have become calls of `get_ipython()`."""

    def _call(self, node: ast.Call) -> Value:
        match node.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=how):
                given = [constant_text(one) for one in node.args]
                act = self._acts().get(how)
                if act is not None and None not in given:
                    return act(*[text or "" for text in given])
                if how in ("ev", "ex", "run_cell", "run_code", "push", "magic", "reset"):
                    self.emit(Unknown(f"get_ipython().{how}()"))
        return super()._call(node)

    def _acts(self) -> dict[str, Callable[..., Value]]:
        return {"run_line_magic": self._line, "run_cell_magic": self._cell,
                "system": self._shell, "getoutput": self._shell}  # fmt: skip

    def _shell(self, command: str) -> Value:
        """Run a command line, after the names in it were filled in."""
        self._fill(command)
        for state in ("cwd", "environ"):
            self.emit(State(state, "read", "!command"))
        return NOTHING

    def _fill(self, text: str) -> None:
        """Load what IPython puts in place of `{expression}` and `$name`."""
        for name, expression in _SHELL_NAME.findall(text):
            if name:
                self.emit(Load(name))
            else:
                self._code(expression, "eval")

    def _code(self, text: str, mode: str = "exec") -> Value:
        """Read code in a magic's line or body."""
        from nbrepro.variables.code import parse_cell

        try:
            if mode == "eval":
                return self.read(ast.parse(text.strip(), mode="eval").body)
            self.run(parse_cell(text).body)
        except SyntaxError:
            if mode == "exec":
                self.emit(Unknown("code in a magic that cannot be parsed"))
        return NOTHING

    def _line(self, name: str, line: str = "") -> Value:
        """Read `%name line`."""
        self._fill(line)
        if name in _RUNS:
            self._code(_without_options(name, line))
            return NOTHING
        act: Callable[[str], None] | None = getattr(self, f"_magic_{name}", None)
        if act is not None:
            act(line)
        elif name in _STATES:
            mode = "set" if name == "matplotlib" else "change"
            self.emit(State(_STATES[name], mode, f"%{name}"))
        elif name in _SHELLS:
            self._shell("")
        elif name not in _SILENT:
            self.emit(Unknown(f"%{name}"))
        return NOTHING

    def _cell(self, name: str, line: str, body: str) -> Value:
        """Read `%%name line` with its body."""
        self._fill(line)
        if name in _RUNS:
            if name == "timeit":
                self._code(_without_options(name, line))
            self._code(body)
            if name == "capture":
                self._capture(line)
        elif name in _SHELLS:
            self._shell("")
            for option in re.findall(r"--(?:out|err|proc)[ =](\w+)", line):
                self.emit(Bind(option, NOTHING))
        elif name not in _SILENT:
            self.emit(Unknown(f"%%{name}"))
        return NOTHING

    def _capture(self, line: str) -> None:
        for word in line.split():
            if word.isidentifier():
                self.emit(Bind(word, NOTHING))

    def _magic_run(self, line: str) -> None:
        self.emit(State("cwd", "read", "%run"))
        self.emit(Unknown(f"%run {line}", reads="-i" in line.split()))

    def _magic_pylab(self, line: str) -> None:
        self.emit(State("matplotlib", "change", "%pylab"))
        self.emit(Unknown("%pylab", reads=False))

    def _magic_reset_selective(self, line: str) -> None:
        self.emit(Unknown("%reset_selective"))

    def _magic_reset(self, line: str) -> None:
        self.emit(Unknown("%reset"))

    def _magic_xdel(self, line: str) -> None:
        for word in line.split():
            if word.isidentifier():
                self.emit(Load(word, runs=False))
                self.emit(Delete(word))

    def _magic_who(self, line: str) -> None:
        self.emit(Unknown("%who", binds=False))

    _magic_whos = _magic_who
    _magic_who_ls = _magic_who


def _without_options(name: str, line: str) -> str:
    """Leave the options out of `%timeit -n 1 code`."""
    takes = _OPTION_VALUES.get(name, "")
    left = line.split(" ")
    while left and left[0].startswith("-"):
        option = left.pop(0)
        if len(option) == 2 and option[1] in takes and left:
            left.pop(0)
    return " ".join(left)
