"""Packages looked up while a notebook runs: the same answers as afterwards, however it goes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbrepro.capture.software import Software
from nbrepro.model import Ownership
from nbrepro.packages import Shelf, owners


def install(site: Path, name: str, version: str) -> list[str]:
    """Install a distribution of one module, as if long ago; give its files."""
    module = site / f"{name}.py"
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    module.write_text(f"version = {version!r}\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    return [str(module), str(info / "METADATA")]


def remove(site: Path, name: str, version: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    for file in info.iterdir():
        file.unlink()
    info.rmdir()


def versions(found: Iterator[Ownership]) -> dict[str, str]:
    return {Path(one.path).name: one.package.version if one.package else "" for one in found}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "lib/python3.11/site-packages"


@pytest.fixture
def long_ago(monkeypatch) -> None:
    """Let time be an hour further, so that what was just installed has settled."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


@contextmanager
def working(software: Software) -> Iterator[None]:
    thread = threading.Thread(target=software.work)
    thread.start()
    try:
        yield
    finally:
        software.stop()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(software: Software) -> None:
    deadline = time.monotonic() + 30
    while not software.found_ahead and time.monotonic() < deadline:
        time.sleep(0.01)


def line_end(path: str) -> bytes:
    return f"<{path}>\n".encode()


def test_a_shelf_gives_what_was_read_until_something_is_installed(site: Path):
    one = install(site, "one", "1.0")
    shelf = Shelf()
    assert versions(owners(one, shelf=shelf)) == {"one.py": "1.0", "METADATA": "1.0"}
    two = install(site, "two", "2.0")
    remove(site, "one", "1.0")
    new = install(site, "one", "1.5")
    assert not shelf.is_unchanged()
    found = list(owners([*one, *two, *new], shelf=shelf))
    assert found == list(owners([*one, *two, *new]))
    assert {o.package.version for o in found if o.package} == {"1.5", "2.0"}


@pytest.mark.usefixtures("long_ago")
def test_records_that_did_not_change_are_read_once(site: Path):
    one = install(site, "one", "1.0")
    shelf = Shelf()
    first = list(owners(one, shelf=shelf))
    assert shelf.is_unchanged()
    kept = shelf.site(str(site))
    assert kept is shelf.site(str(site))
    assert list(owners(one, shelf=shelf)) == first


@pytest.mark.usefixtures("long_ago")
def test_what_was_looked_up_ahead_is_completed_afterwards(site: Path):
    one, two = install(site, "one", "1.0"), install(site, "two", "2.0")
    lonely = site.parent / "lonely.py"
    lonely.touch()
    software = Software()
    software.note(line_end(one[0]))
    with working(software):
        software.read_ahead(1)
        wait_for(software)
    paths = {*one, *two, str(lonely), os.__file__}
    found = list(software.ownerships(paths, [sys.executable]))
    assert one[0] in software.found_ahead
    assert found == list(owners(paths, [sys.executable]))


@pytest.mark.usefixtures("long_ago")
def test_what_was_installed_meanwhile_counts(site: Path):
    one = install(site, "one", "1.0")
    software = Software()
    software.note(line_end(one[0]))
    with working(software):
        software.read_ahead(1)
        wait_for(software)
    assert software.found_ahead[one[0]].package.version == "1.0"
    remove(site, "one", "1.0")
    install(site, "one", "9.0")
    assert versions(software.ownerships([one[0]], ())) == {"one.py": "9.0"}


def test_names_with_escapes_are_left_to_the_survey():
    software = Software()
    software.note(b"</x/lib/python3.11/caf\\303\\251.py>\n")
    software.note(line_end("/x/lib/python3.11/plain.py"))
    assert software.paths == {"/x/lib/python3.11/plain.py"}
