"""The root of a package while it is made: which file is in which layer, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from nbrepro.model import Role
from nbrepro.packaging.contents import ENVIRONMENT, LAYERS, RUN, SYSTEM, Contents, Item, layer_of
from nbrepro.packaging.layers import Entry, entry_of
from nbrepro.packaging.plan import HOME
from nbrepro.packaging.root import Filled, Filling
from nbrepro.roles import under

_STANDING = ("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp")  # noqa: S108 (in the root)


class Staging:
    """A root that is filled layer by layer; `items` says of every path in it what it is."""

    def __init__(self, root: Path, contents: Contents, link: bool) -> None:
        self.root = root
        self.items: dict[str, Item] = {}
        self._contents = contents
        self._filling = Filling(root, link)
        self._folders: dict[str, Item] = {}
        for path in _STANDING:
            Path(f"{root}{path}").mkdir(parents=True, exist_ok=True)

    @property
    def filled(self) -> Filled:
        """Give what the root was filled with, and what was missing."""
        return self._filling.filled

    def add(self, items: Iterable[Item]) -> list[Item]:
        """Put items into the root, with what programs among them need; give those that are new."""
        order = {layer: number for number, layer in enumerate(LAYERS)}
        new: list[Item] = []
        for item in sorted(items, key=lambda one: (order[one.layer], one.path)):
            filled = self.filled
            before = len(filled.files), len(filled.links), len(filled.directories)
            self._filling.add([item.path])
            if before == (len(filled.files), len(filled.links), len(filled.directories)):
                continue
            added = [*list(filled.files)[before[0] :], *list(filled.links)[before[1] :]]
            added += list(filled.directories)[before[2] :]
            new += [self._note(path, item) for path in added]
        return new

    def _note(self, path: str, item: Item) -> Item:
        reason = self.filled.added.get(path)
        known = self._contents.items.get(path)
        if known is not None:
            # Whoever asked for it first, the run's own reason is the better one.
            noted = known
        elif reason is not None:
            layer = layer_of(path, self._contents, self._folders)
            layer = layer if layer in (SYSTEM, ENVIRONMENT) else item.layer
            noted = Item(path, layer, Role.PACKAGE, reason, needed=item.needed)
        else:
            noted = Item(
                path, item.layer, item.role, item.rule, item.package, item.sha256, item.needed
            )
        self.items[path] = noted
        self._folders.setdefault(os.path.dirname(path), noted)
        return noted

    def guess_layer(self, path: str) -> str:
        """Give the layer for a path that a replay asked for: its neighbours', else by its place."""
        return layer_of(path, self._contents, self._folders)

    def write(self, name: str, content: bytes) -> None:
        """Write one of the tool's own files into the image."""
        folder = Path(f"{self.root}{HOME}")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    def entries(self, layer: str) -> list[Entry]:
        """Give the entries of a layer, with the directories that lead to them."""
        if layer == RUN:
            own = sorted(Path(f"{self.root}{HOME}").rglob("*"))
            paths = [HOME, *(str(path)[len(str(self.root)) :] for path in own)]
        else:
            paths = [path for path, item in self.items.items() if item.layer == layer]
        if layer == SYSTEM:
            paths += _STANDING
        folders = {parent for path in paths for parent in _parents(path)}
        return [entry_of(self.root, path) for path in sorted({*paths, *folders})]


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def find_changed(contents: Contents, items: Iterable[Item], digests: dict[str, str]) -> list[str]:
    """List the inputs whose content is not any more what the run read."""
    return sorted(
        item.path
        for item in items
        if item.sha256 and digests.get(item.path, item.sha256) != item.sha256
        and not any(under(item.path, made) for made in contents.made)
    )  # fmt: skip
