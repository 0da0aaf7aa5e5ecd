"""Fixtures for tests with real TaskVine: the root, nbrepro in it, and hosts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hosts
import layers
import make_root
import pytest
from hosts import OpenHosts


@pytest.fixture(scope="session")
def taskvine_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the root with TaskVine, made now where no earlier session made it."""
    scratch = tmp_path_factory.mktemp("probe")
    reason = hosts.lack_of_hosts(scratch) or make_root.lack_of_tools()
    if reason:
        pytest.skip(reason)
    try:
        return make_root.cached_root(
            make_root.USE_CASE_PACKAGES,
            make_root.USE_CASE_DATA,
            say=lambda text: print(text, file=sys.stderr),
        )
    except make_root.RootError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def nbrepro_layer(taskvine_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the layer with nbrepro as the working tree has it."""
    return layers.make_nbrepro_layer(taskvine_root, tmp_path_factory.mktemp("layers"))


@pytest.fixture
def open_hosts(taskvine_root: Path, nbrepro_layer: Path, tmp_path: Path) -> Iterator[OpenHosts]:
    """Give `hosts.open_hosts` over the root with nbrepro; the hosts end with the test."""
    with contextlib.ExitStack() as stack:

        def start(workers: int = 3, **options: Any) -> hosts.Hosts:
            opened = hosts.open_hosts(
                taskvine_root, tmp_path, workers, layers=[nbrepro_layer], **options
            )
            return stack.enter_context(opened)

        yield start
