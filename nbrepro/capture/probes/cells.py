"""Mark where each execution of a cell starts and ends, as IPython tells its own extensions."""

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
_LONGEST = 600


def quote(text):
    """Quote an id by percent signs so that it is one part of a path; `-` where there is none."""
    quoted = "".join(
        chr(byte) if byte in _SAFE else "%%%02X" % byte
        for byte in text.encode("utf-8", "surrogatepass")
    )
    return quoted[:_LONGEST] or "-"


class Executions:
    """Counts the executions that the user asked for; code that a cell runs itself is part of it."""

    def __init__(self, marks, after, view=None):
        self.marks = marks
        self.after = after
        self.view = view
        self.count = 0
        self.cell = None
        self.running = []

    def start(self, info):
        """Note that IPython begins to run `info`."""
        self.running.append(info)
        if len(self.running) > 1:
            return
        self.count += 1
        self.cell = (str(self.count), quote(str(getattr(info, "cell_id", None) or "")))
        self.marks["mark"]("cell", "start", *self.cell)
        self.marks["here"].cell = self.cell
        self.marks["opened"].set(self.cell)
        if self.view is not None:
            self.view.start()

    def end(self, result, shell=None):
        """Note that IPython ended with `result`, and look at what that left in `shell`."""
        depth = self._depth(result)
        if depth is None:
            return
        del self.running[depth:]
        if not self.running:
            self.after()
            self.marks["here"].cell = None
            self.marks["opened"].set(None)
            self.marks["mark"]("cell", "end", *self.cell)
            if self.view is not None and shell is not None:
                self.view.end(shell, self.count)

    def _depth(self, result):
        """Find which running code ended; None for blank code, whose start IPython does not tell.

        An interrupted one comes with a new description of the same code, a cancelled one with none.
        """
        info = getattr(result, "info", None)
        if info is None:
            return 0 if self.running else None
        for depth in range(len(self.running) - 1, -1, -1):
            running = self.running[depth]
            if running is info or running.raw_cell == info.raw_cell:
                return depth
        return None


def install(marks, imports, after, view=None):
    """Have every execution of a cell marked; `after()` is called at the end of each, and `view`
    looks at the names that it left."""
    executions = Executions(marks, after, view)

    def observe(module):
        trigger = module.EventManager.trigger

        def observed(self, event, *args, **kwargs):
            if event == "pre_run_cell" and args:
                executions.start(args[0])
            trigger(self, event, *args, **kwargs)
            if event == "post_run_cell":
                executions.end(args[0] if args else None, self.shell)

        module.EventManager.trigger = observed

    imports.after("IPython.core.events", observe)
