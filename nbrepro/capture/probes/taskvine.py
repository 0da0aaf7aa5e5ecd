"""TaskVine's manager in the kernel."""


def install(marks, imports, submits):
    """Observe `ndcctools.taskvine` once the notebook imports it."""
