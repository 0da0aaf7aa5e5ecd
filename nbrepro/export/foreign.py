"""Take PROV-JSON of any tool for a run that can be asked: lineage, impact, and every question.

What it calls an entity becomes a file version, an activity a task, an agent a worker, each with the
identifier it has there in `origin`; that all of it was told and nothing observed stands on each
edge (evidence `document`, certainty `unobserved`). Questions want a time and a host of every
access: without a time it has that of its activity, else the first that is told at all, else the
epoch, and the host is `not told`. What has no place in our graphs is counted in
`Foreign.left`. A document that we wrote ourselves is read back as it was.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from nbrepro.errors import DocumentError
from nbrepro.export.own import is_own, own_statements, to_value
from nbrepro.model import Edge, Node, RunId, Statement, Value
from nbrepro.provenance.identity import digest_of, segment
from nbrepro.validity.provjson import Document, read_document
from nbrepro.validity.records import SIGNATURES, Record
from nbrepro.vocabulary import PROV, run_iri

ENGINE = "foreign"
RULE = "told-by-a-document"

_EPOCH = "1970-01-01T00:00:00Z"
_KINDS = {"entity": "FileVersion", "activity": "Task", "agent": "Worker"}
_PLACES = {"entity": "file", "activity": "task", "agent": "worker"}
_TOLD: dict[str, Value] = {
    "host": "not told",
    "evidence": "document",
    "certainty": "unobserved",
    "rule": RULE,
    "role": "data",
}
_MODES = {"used": "read", "wasGeneratedBy": "write", "wasInvalidatedBy": "remove"}
_KEPT = (*_MODES, "wasDerivedFrom", "wasInformedBy", "wasAssociatedWith", "actedOnBehalfOf",
         "specializationOf", "hadMember")  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True)
class Foreign:
    """A document as a run; `left` are sentences on what was not taken."""

    run: RunId
    uuid: str
    statements: list[Statement]
    left: list[str]


def read_foreign(path: Path) -> Foreign:
    """Read a PROV-JSON file. Raises DocumentError where it is none, or tells of nothing."""
    document = read_document(path, attributes=True)
    if not len(document):
        raise DocumentError(f"{path}: holds no PROV record that could be asked")
    if is_own(document):
        return _own(document)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    run = RunId(f"imported-{segment(path.stem)[:40]}-{digest[:8]}")
    reader = _Reader(document, run, str(uuid5(NAMESPACE_URL, digest)), str(path))
    return Foreign(run, reader.uuid, list(reader.statements()), reader.left())


def _own(document: Document) -> Foreign:
    statements = list(own_statements(document))
    found = next(s for s in statements if isinstance(s, Node) and s.kind == "Run")
    run, uuid = str(found.properties.get("run", "")), str(found.properties.get("uuid", ""))
    if found.uid != run_iri(uuid) or not run:
        raise DocumentError(f"the run {found.uid} has another uuid ({uuid!r}), or no id")
    return Foreign(RunId(run), uuid, statements, document.unread)


class _Reader:
    """Makes the statements of one foreign document; bundles are taken as one."""

    def __init__(self, document: Document, run: RunId, uuid: str, location: str) -> None:
        self.uuid = uuid
        self._run = run
        self._location = location
        self._document = document
        self._base = run_iri(uuid)
        self._records = [
            pair
            for bundle, records in document.bundles.items()
            for pair in zip(records, document.attributes.get(bundle, []), strict=True)
        ]
        self._names: dict[tuple[str, str], str] = {}
        self._left: Counter[str] = Counter()
        self._edges = 0
        self._starts = {
            r.uid: r.arguments[0] for r, _ in self._records if r.kind == "activity" and r.arguments
        }
        self._first = min(filter(None, map(_time, self._starts.values())), default=_EPOCH)

    def left(self) -> list[str]:
        """Say what was not taken."""
        said = [f"{count} {kind} not taken: our graphs have no such relation"
                for kind, count in sorted(self._left.items())]  # fmt: skip
        bundles = sum(1 for bundle in self._document.bundles if bundle)
        if bundles:
            said.append(f"{bundles} bundles were taken as one document")
        return [*self._document.unread, *said]

    def statements(self) -> Iterator[Statement]:
        """Yield the run, its nodes, then its edges."""
        objects = self._objects()
        yield self._run_node([record for record, _ in objects.values()])
        for (kind, uid), (record, attributes) in objects.items():
            yield self._node(kind, uid, record, attributes)
            if kind == "activity":
                yield Edge("partOfRun", self._names[kind, uid], self._base)
        for record, attributes in self._records:
            if record.kind in _KEPT:
                yield from self._relation(record, attributes)
            elif record.kind not in _KINDS:
                self._left[record.kind] += 1
        yield from self._unmade()

    def _objects(self) -> dict[tuple[str, str], tuple[Record, list[tuple[str, Any]]]]:
        """Find the entities, activities and agents: what is declared, and what is only named."""
        found: dict[tuple[str, str], tuple[Record, list[tuple[str, Any]]]] = {}
        for record, attributes in self._records:
            if record.kind in _KINDS:
                known = found.get((record.kind, record.uid))
                if known is None:
                    found[record.kind, record.uid] = (record, list(attributes))
                else:
                    known[1].extend(attributes)
            else:
                for argument, uid in zip(SIGNATURES[record.kind], record.arguments, strict=True):
                    if uid and argument.sort in _KINDS:
                        found.setdefault((argument.sort, uid), (Record(argument.sort, uid), []))
        counts: Counter[str] = Counter()
        for kind, uid in found:
            counts[kind] += 1
            self._names[kind, uid] = f"{self._base}{_PLACES[kind]}/{counts[kind]}"
        return found

    def _run_node(self, records: list[Record]) -> Node:
        times = sorted(_time(t) for r in records if r.kind == "activity" for t in r.arguments if t)
        ran = {"started": times[0], "ended": times[-1]} if times else {}
        return Node(
            self._base,
            "Run",
            {"run": self._run, "uuid": self.uuid, "notebook": self._location, "status": "imported",
             "tracer": "none", "tracer_unseen": "all of it was told by a document",
             "cells": 0, **ran},
        )  # fmt: skip

    def _node(self, kind: str, uid: str, record: Record, attributes: list[tuple[str, Any]]) -> Node:
        written = self._document.written.get(uid, uid)
        said = {name: to_value(value) for name, value in attributes}
        about: dict[str, Value] = {
            "run": self._run,
            "origin": uid,
            "said": json.dumps({**said, PROV + "type": list(record.types)}, sort_keys=True),
            "logical_key": digest_of([ENGINE, uid]),
        }
        label = said.get(PROV + "label")
        if label:
            about["label"] = str(label)
        if kind == "entity":
            about |= {"path": written, "kind": "entity", "role": "data", "rule": RULE,
                      **_content(said)}  # fmt: skip
        elif kind == "activity":
            about |= {"task": written, "engine": ENGINE, "function": str(label or written),
                      "status": "unknown", "observed": False, "attempt": 1,
                      **_period(record)}  # fmt: skip
        else:
            about |= {"worker": written, "engine": ENGINE, "status": "unobserved",
                      "error": "told by a document"}  # fmt: skip
        return Node(self._names[kind, uid], _KINDS[kind], about)

    def _relation(self, record: Record, attributes: list[tuple[str, Any]]) -> Iterator[Edge]:
        sorts = [argument.sort for argument in SIGNATURES[record.kind][:2]]
        ends = list(zip(sorts, record.arguments[:2], strict=True))
        if not all(uid for _, uid in ends):
            self._left[f"{record.kind} with an end left open"] += 1
            return
        source, target = (self._names[end] for end in ends)
        properties: dict[str, Value] = {}
        if record.kind in _MODES:
            activity = next(uid for sort, uid in ends if sort == "activity")
            properties = {**_TOLD, "mode": _MODES[record.kind], "accesses": 1,
                          "task": self._document.written.get(activity, activity)}  # fmt: skip
            told = record.arguments[2] or self._starts.get(activity) or self._first
            properties["at"] = _time(told)
        name = record.kind
        if name == "wasDerivedFrom" and PROV + "Revision" in record.types:
            name = "wasRevisionOf"
        elif name == "wasAssociatedWith" and record.arguments[2]:
            properties["plan"] = self._names["entity", record.arguments[2]]
        yield self._edge(name, source, target, properties)

    def _edge(self, name: str, source: str, target: str, given: dict[str, Value]) -> Edge:
        self._edges += 1
        plain = name in ("specializationOf", "hadMember")
        uid = "" if plain else f"{self._base}edge/{self._edges}"
        return Edge(name, source, target, uid, given)

    def _unmade(self) -> Iterator[Statement]:
        """Yield a step for what was derived but made by nothing told: else no lineage has it."""
        made = {r.arguments[0] for r, _ in self._records if r.kind == "wasGeneratedBy"}
        sources: dict[str, dict[str, None]] = {}
        for record, _ in self._records:
            if record.kind == "wasDerivedFrom" and record.arguments[0] not in made:
                sources.setdefault(record.arguments[0], {})[record.arguments[1]] = None
        for number, (entity, origins) in enumerate(sources.items(), 1):
            step = f"{self._base}derivation/{number}"
            name = f"(not told: what made {self._document.written.get(entity, entity)})"
            yield Node(step, "Task", {"run": self._run, "task": name, "engine": ENGINE,
                                      "function": "a derivation", "status": "unknown",
                                      "observed": False, "attempt": 1})  # fmt: skip
            yield Edge("partOfRun", step, self._base)
            told = {**_TOLD, "accesses": 1, "task": name, "at": _time(self._first)}
            for origin in origins:
                source = self._names["entity", origin]
                yield self._edge("used", step, source, {**told, "mode": "read"})
            target = self._names["entity", entity]
            yield self._edge("wasGeneratedBy", target, step, {**told, "mode": "write"})


def _content(said: dict[str, Value]) -> dict[str, Value]:
    """Find a digest among what is said of an entity."""
    for name, value in said.items():
        if name.lower().endswith("sha256") and _SHA256.fullmatch(str(value)):
            return {"sha256": str(value)}
    return {"undigested": "not told by the document"}


def _period(record: Record) -> dict[str, Value]:
    names = ("started", "ended")
    return {n: _time(t) for n, t in zip(names, record.arguments, strict=False) if t}


def _time(text: str) -> str:
    """Give a time as our graphs have it: in UTC with nanoseconds; text that is none as it is."""
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    whole, fraction, zone = match[1], (match[2] or "")[:9], match[3] or "Z"
    try:
        moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:0<9}Z"
