"""One installed Python distribution, as the metadata beside its files describes it.

Forms, newest first: `X.dist-info/` with METADATA and RECORD; `X.egg-info/` with PKG-INFO and
installed-files.txt; `X.egg-info` that is PKG-INFO itself; `X.egg/` and zipped `X.egg`.
"""

from __future__ import annotations

import os
import zipfile
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from packageurl import PackageURL

from nbrepro.model import Package
from nbrepro.packages.reading import Content, read, read_headers, read_json
from nbrepro.packages.records import record_digest, record_names, record_rows

MANAGER = "pip"


class Distribution:
    """A metadata directory (or file) `entry` in the directory `site`.

    `problems` collects, as phrases, what of its metadata could not be read.
    """

    def __init__(self, site: str, entry: str) -> None:
        self.site = site
        self.entry = entry
        self.path = os.path.join(site, entry)
        self.problems: list[str] = []

    def __repr__(self) -> str:
        return f"Distribution({self.path!r})"

    @cached_property
    def is_egg(self) -> bool:
        """Say whether everything below the entry, or the entry itself, is the distribution."""
        return self.entry.endswith(".egg")

    @cached_property
    def metadata(self) -> str:
        """Give the file that holds name and version."""
        if self.entry.endswith(".dist-info"):
            return os.path.join(self.path, "METADATA")
        if os.path.isfile(self.path):
            return self.path
        return os.path.join(self.path, *(("EGG-INFO",) if self.is_egg else ()), "PKG-INFO")

    @cached_property
    def _record(self) -> str:
        return self._text("RECORD") if self.entry.endswith(".dist-info") else ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """List the files relative to `site`; empty where no list was kept."""
        if self.entry.endswith(".dist-info"):
            names, broken = record_names(self._record)
            if broken:
                self.problems.append(f"{self.entry}/RECORD: {broken} lines that are not CSV")
            return tuple(names)
        if not self.entry.endswith(".egg-info") or not os.path.isdir(self.path):
            return ()
        listed = os.path.join(self.path, "installed-files.txt")
        if os.path.exists(listed):
            text = self._text("installed-files.txt")
            return tuple(os.path.join(self.entry, n) for n in text.splitlines() if n)
        return self._sources()

    @cached_property
    def is_listless(self) -> bool:
        """Say that no list of files was kept, so that only `top_level` is left."""
        return not (self.is_egg or self._record or self.names)

    @cached_property
    def names_here(self) -> frozenset[str]:
        """Give `names` as a set: those that lie in `site` are spelled as they lie there."""
        return frozenset(self.names)

    @cached_property
    def names_elsewhere(self) -> tuple[str, ...]:
        """List those of `names` that lead out of `site`: scripts, headers, data."""
        if self._record and '"' not in self._record:
            text = "\n" + self._record
            starts = [(s, part) for s in (".", "/") for part in text.split("\n" + s)[1:]]
            return tuple(s + part.partition("\n")[0].partition(",")[0] for s, part in starts)
        return tuple(n for n in self.names if n.startswith((".", "/")) or "/../" in n)

    def lists(self, name: str) -> bool:
        """Say whether the list of files has this name; cheap where it has not."""
        return (not self._record or name in self._record) and name in self.names_here

    def _sources(self) -> tuple[str, ...]:
        """Map SOURCES.txt, which is relative to the source tree, to what was installed of it."""
        path = os.path.join(self.path, "SOURCES.txt")
        names = read(path).text.splitlines()
        stripped = (n.removeprefix("src/").removeprefix("lib/") for n in names if "/" in n)
        return tuple(n for n in stripped if os.path.exists(os.path.join(self.site, n)))

    @cached_property
    def top_level(self) -> frozenset[str]:
        """Give the importable names: the only hint where no list of files was kept."""
        return frozenset(read(os.path.join(self.path, "top_level.txt")).text.split())

    def recorded_hash(self, path: str) -> str:
        """Give the hash that RECORD has for an absolute path, empty if none."""
        for name, digest in record_rows(self._record)[0]:
            if os.path.normpath(os.path.join(self.site, name)) == path:
                return digest
        return ""

    @cached_property
    def package(self) -> Package | None:
        """Give the distribution as a package, or nothing where even its name is unreadable."""
        headers = read_headers(self._metadata_content().text)
        stem = self.entry.rpartition(".")[0]
        # The metadata directory's own name is `name-version` by its specification.
        name = headers.get("name") or stem.partition("-")[0]
        version = headers.get("version") or stem.partition("-")[2].partition("-")[0]
        if not headers.get("name"):
            self.problems.append(f"{self.entry}: no name in its metadata")
        try:
            purl = PackageURL("pypi", None, name, version or None).to_string()
        except ValueError as error:
            self.problems.append(f"{self.entry}: no package URL ({error})")
            return None
        return Package(
            name=name,
            version=version,
            manager=MANAGER,
            purl=purl,
            location=self.site,
            record_digest=record_digest(record_rows(self._record)[0]) if self._record else "",
            source=describe_source(self.direct_url),
            build=self._build() if self.entry.endswith(".dist-info") else "",
        )

    def _build(self) -> str:
        """Give the tags of the wheel: for which interpreters and platforms it was built."""
        lines = read(os.path.join(self.path, "WHEEL")).text.splitlines()
        tags = (line.partition(":")[2].strip() for line in lines if line.startswith("Tag:"))
        return " ".join(sorted(tag for tag in tags if tag))

    def _metadata_content(self) -> Content:
        if not (self.is_egg and os.path.isfile(self.path)):
            return read(self.metadata)
        try:
            with zipfile.ZipFile(self.path) as archive:
                return Content(archive.read("EGG-INFO/PKG-INFO"))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            return Content(None, str(error))

    @cached_property
    def direct_url(self) -> dict[str, Any]:
        """Give direct_url.json (PEP 610); empty for what came from an index."""
        path = os.path.join(self.path, "direct_url.json")
        record, reason = read_json(path)
        if reason and os.path.lexists(path):
            self.problems.append(f"{self.entry}/direct_url.json: {reason}")
        return record

    def _text(self, name: str) -> str:
        content = read(os.path.join(self.path, name))
        if content.data is None:
            self.problems.append(f"{self.entry}/{name}: {content.reason}")
        return content.text


def describe_source(direct_url: dict[str, Any]) -> str:
    """Turn direct_url.json into one URL: `git+https://host/x@commit`, `file:///project`."""
    url = direct_url.get("url")
    if not isinstance(url, str):
        return ""
    url = _without_password(url)
    vcs = direct_url.get("vcs_info")
    if isinstance(vcs, dict):
        return f"{vcs.get('vcs', 'vcs')}+{url}@{vcs.get('commit_id', '')}".rstrip("@")
    archive = direct_url.get("archive_info")
    digest = archive.get("hash") if isinstance(archive, dict) else None
    return f"{url}#{digest}" if isinstance(digest, str) else url


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        secret = parts.password is not None
    except ValueError:
        return url
    return urlunsplit(parts._replace(netloc=host)) if secret else url
