"""Sets as files for package managers: what one can install, and in comments what it cannot."""

from __future__ import annotations

from collections.abc import Callable

from nbrepro.dependencies.environments.conda import to_conda
from nbrepro.dependencies.environments.contents import Contents
from nbrepro.dependencies.environments.debian import to_debian
from nbrepro.dependencies.environments.poncho import to_poncho
from nbrepro.dependencies.environments.pyproject import to_pyproject
from nbrepro.dependencies.environments.requirements import to_requirements
from nbrepro.dependencies.sets import DependencySet
from nbrepro.errors import UsageError

WRITERS: dict[str, Callable[[Contents], str]] = {
    "requirements": to_requirements,
    "pyproject": to_pyproject,
    "conda": to_conda,
    "debian": to_debian,
    "poncho": to_poncho,
}


def write_environment(members: DependencySet, form: str, hashes: dict[str, list[str]]) -> str:
    """Give a set as the text of an environment file; `form` is a key of `WRITERS`.

    `hashes` are known digests `algorithm:hex` of archives by `name==version`, names normal.
    Raises UsageError for another form.
    """
    writer = WRITERS.get(form)
    if writer is None:
        raise UsageError(f"{form!r} is no format; one of: {', '.join(WRITERS)}")
    return writer(Contents.of(members, hashes))
