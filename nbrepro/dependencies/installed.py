"""What installed distributions declare of themselves, read from the metadata beside their files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib.metadata import Distribution, MetadataPathFinder

from packaging.requirements import InvalidRequirement, Requirement


def normal(name: str) -> str:
    """Give the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Installed:
    """A distribution as it lies in the directory `site` now."""

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    @cached_property
    def version(self) -> str:
        """Give the version that is installed now."""
        return self._distribution.version

    @cached_property
    def requires(self) -> frozenset[str]:
        """Give the normal names of what it requires here, without any extra."""
        return frozenset(normal(r.name) for r in self._requirements() if _applies(r, ""))

    @cached_property
    def extras(self) -> frozenset[str]:
        """Give the normal names of what it requires here with some extra."""
        names = self._distribution.metadata.get_all("Provides-Extra") or []
        return frozenset(
            normal(r.name) for r in self._requirements() for name in names if _applies(r, str(name))
        )

    def _requirements(self) -> Iterator[Requirement]:
        for text in self._distribution.requires or ():
            try:
                yield Requirement(text)
            except InvalidRequirement:
                continue

    @cached_property
    def archive_hashes(self) -> tuple[str, ...]:
        """Give the known digests `algorithm:hex` of the archive that it was installed from.

        PEP 610's direct_url.json holds them where it was installed from an archive by its URL.
        """
        try:
            record = json.loads(self._distribution.read_text("direct_url.json") or "{}")
            archive = record.get("archive_info") or {}
            hashes = archive.get("hashes") or {}
        except (ValueError, AttributeError):
            return ()
        if not hashes and "=" in str(archive.get("hash", "")):
            algorithm, _, digest = str(archive["hash"]).partition("=")
            hashes = {algorithm: digest}
        return tuple(f"{name}:{digest}" for name, digest in sorted(hashes.items()))

    @cached_property
    def installer(self) -> str:
        """Give the program that installed it."""
        return (self._distribution.read_text("INSTALLER") or "").strip()

    def files(self) -> list[str]:
        """List what its RECORD says that it has, absolute; empty where it keeps none."""
        return [
            str(self._distribution.locate_file(file)) for file in self._distribution.files or ()
        ]

    def recorded_hash(self, file: str) -> str:
        """Give the sha256 in hex that RECORD has for a file of `files()`, empty if none."""
        for one in self._distribution.files or ():
            if str(self._distribution.locate_file(one)) == file and one.hash:
                padded = one.hash.value + "=" * (-len(one.hash.value) % 4)
                return base64.urlsafe_b64decode(padded).hex()
        return ""


def _applies(requirement: Requirement, extra: str) -> bool:
    if requirement.marker is None:
        return not extra
    try:
        return requirement.marker.evaluate({"extra": extra})
    except Exception:  # markers of packages are anything: what cannot be evaluated does not apply
        return False


@lru_cache(maxsize=4096)
def find_installed(name: str, site: str) -> Installed | None:
    """Find a distribution by name in a directory; None where it is not there (any more)."""
    context = MetadataPathFinder.find_distributions
    from importlib.metadata import DistributionFinder

    found = next(iter(context(DistributionFinder.Context(name=name, path=[site]))), None)
    return Installed(found) if found is not None else None
