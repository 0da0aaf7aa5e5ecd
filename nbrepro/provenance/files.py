"""Describe file versions, and what touched them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nbrepro.model import (
    Classification,
    Edge,
    FileVersion,
    Mode,
    Node,
    Package,
    Role,
    Statement,
    Touch,
    Value,
)
from nbrepro.provenance.identity import digest_of, filled, known, moment, package_iri, relative
from nbrepro.provenance.scribe import Scribe
from nbrepro.provenance.software import package_node
from nbrepro.sandboxes import Declarations
from nbrepro.versions import VersionedTouch
from nbrepro.vocabulary import content_iri, to_text


class FileStatements:
    """The statements of a run's files and network endpoints."""

    def __init__(self, scribe: Scribe, declarations: Declarations) -> None:
        self._scribe = scribe
        self._declarations = declarations
        self._endpoints: dict[tuple[str, str], str] = {}

    def version(
        self, version: FileVersion, role: Classification, package: Package | None, host: str
    ) -> Iterator[Statement]:
        """Describe a file version on `host`: its node, content, revision and owner."""
        name = f"file/{version.number}"
        root, path = relative(version.path, self._scribe.facts.manifest.roots)
        yield self._scribe.node(
            "FileVersion",
            name,
            path=to_text(version.path),
            root=root,
            relative_path=to_text(path),
            kind=version.kind,
            **known(size=version.size, mtime_ns=version.mtime_ns),
            **filled(sha256=version.sha256, undigested=version.undigested),
            role=role.role.value,
            rule=role.rule,
            host=host,
            logical_key=digest_of(["file", root, to_text(path)]),
        )
        if version.sha256:
            content = content_iri(version.sha256)
            yield Node(content, "Content", {"sha256": version.sha256})
            yield Edge("specializationOf", self._scribe.base + name, content)
        if version.revision_of:
            yield self._scribe.edge("wasRevisionOf", name, f"file/{version.revision_of}")
        if version.derived_from:
            yield self._scribe.edge("wasDerivedFrom", name, f"file/{version.derived_from}")
        if package is not None and role.role is not Role.RUNTIME:
            yield package_node(package)
            yield Edge("ofPackage", self._scribe.base + name, package_iri(package))

    def touch(
        self, touched: VersionedTouch, role: Classification, made_role: Classification
    ) -> Iterator[Statement]:
        """Describe what one touch used, generated (of `made_role`: a rename's new name may have
        another one) and invalidated."""
        touch = touched.touch
        activity = self._scribe.activity(touch.owner)
        about = self._about(touch, role)
        if touched.used is not None:
            yield self._scribe.edge("used", activity, f"file/{touched.used.number}", **about)
        if touched.generated is not None:
            mode = Mode.WRITE if touch.mode is Mode.RENAME else touch.mode
            made = self._about(touch, made_role) | {"mode": mode.value}
            if touch.mode is Mode.RENAME:
                made["named"] = to_text(touch.target)
            made.pop("target", None)
            name = f"file/{touched.generated.number}"
            yield self._scribe.edge("wasGeneratedBy", name, activity, **made)
        if touched.invalidated is not None:
            yield self._scribe.edge(
                "wasInvalidatedBy", f"file/{touched.invalidated.number}", activity, **about
            )

    def derivations(self, pairs: Iterable[tuple[int, int]]) -> Iterator[Statement]:
        """Describe which file versions were made from which."""
        for made, source in pairs:
            yield self._scribe.edge("wasDerivedFrom", f"file/{made}", f"file/{source}")

    def connection(self, touch: Touch, role: Classification) -> Iterator[Statement]:
        """Describe a connection to a network endpoint."""
        key = (touch.path, touch.target)
        if key not in self._endpoints:
            self._endpoints[key] = f"endpoint/{len(self._endpoints) + 1}"
            yield self._scribe.node(
                "Endpoint",
                self._endpoints[key],
                address=to_text(touch.path),
                port=touch.target,
                kind=touch.kind,
                role=role.role.value,
                rule=role.rule,
            )
        yield self._scribe.edge(
            "used",
            self._scribe.activity(touch.owner),
            self._endpoints[key],
            **self._about(touch, role),
        )

    def _about(self, touch: Touch, role: Classification) -> dict[str, Value]:
        return {
            "mode": touch.mode.value,
            "named": to_text(touch.named),
            "role": role.role.value,
            "rule": role.rule,
            "evidence": touch.evidence.value,
            "certainty": touch.certainty.value,
            "process": to_text(touch.process),
            "host": touch.host,
            "accesses": touch.accesses,
            "at": moment(touch.at_ns),
            **filled(target=to_text(touch.target), task=touch.owner.task,
                      worker=touch.owner.worker),
            **({"undeclared": True} if self._declarations.is_undeclared(touch) else {}),
        }  # fmt: skip
