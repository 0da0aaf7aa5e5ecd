"""Read PROV-JSON (W3C member submission, 24 April 2013) from anyone into records.

A file that is no PROV-JSON at all is refused. A record that is not understood is a sentence in
`Document.unread`; the others are read. Identifiers become full IRIs; one whose prefix nobody
declared stays as it is written, which is told too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbrepro.errors import DocumentError
from nbrepro.validity.records import SIGNATURES, Record
from nbrepro.vocabulary import PROV, XSD

LIMIT_BYTES = 1 << 30
"""Larger files are refused: their objects would not fit into the memory of a common machine."""

_STANDARD = {"prov": PROV, "xsd": XSD}
_QUALIFIED = ("QName", "QUALIFIED_NAME", "anyURI", "InternationalizedURI")


@dataclass(slots=True)
class Document:
    """The records of a document, by bundle: the document's own are under the empty name.

    Where it was `asked` for, `attributes` holds what is said besides of each record, by its place
    in `bundles`: pairs of an attribute's IRI and a value of JSON; and `written` the names as they
    are written, by their IRIs.
    """

    bundles: dict[str, list[Record]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    asked: bool = False
    attributes: dict[str, list[list[tuple[str, Any]]]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.bundles.values()))


def read_document(path: Path, *, attributes: bool = False) -> Document:
    """Read a PROV-JSON file; with `attributes`, also what the checks do not need.

    Raises DocumentError where it cannot be read or is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > LIMIT_BYTES:
        raise DocumentError(
            f"{path}: is larger than {LIMIT_BYTES >> 20} MiB; check its bundles one by one"
        )
    return parse_document(content, str(path), attributes=attributes)


def parse_document(
    content: bytes | str, name: str = "the document", *, attributes: bool = False
) -> Document:
    """Parse PROV-JSON. Raises DocumentError where it is none; see the module for the rest."""
    repeated: Counter[str] = Counter()
    try:
        whole = json.loads(content, object_pairs_hook=lambda pairs: _object(pairs, repeated))
    except RecursionError:
        raise DocumentError(f"{name}: is nested too deep to be PROV-JSON") from None
    except ValueError as error:
        raise DocumentError(f"{name}: is not JSON ({error})") from None
    if not isinstance(whole, dict):
        raise DocumentError(f"{name}: is not PROV-JSON: its outermost value is no object")
    document = Document(asked=attributes)
    for key in sorted(repeated):
        document.unread.append(f"{key!r} is given twice in one object: both were read")
    _Instance(document, "", {}).read(whole)
    return document


def _object(pairs: list[tuple[str, Any]], repeated: Counter[str]) -> dict[str, Any]:
    """Make an object; under a name that is given twice stand all its values."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    found = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
            continue
        repeated[key] += 1
        found[key] = [*_listed(found[key]), *_listed(value)]
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Instance:
    """Reads the records of a document, or of one bundle with the document's prefixes."""

    def __init__(self, document: Document, bundle: str, prefixes: Mapping[str, str]) -> None:
        self._document = document
        self._bundle = bundle
        self._prefixes: dict[str, str] = {**_STANDARD, **prefixes}
        self._strange: set[str] = set()
        self._records = document.bundles.setdefault(bundle, [])

    def read(self, whole: Mapping[str, Any]) -> None:
        """Read an instance: its prefixes first, wherever they stand."""
        for part in _listed(whole.get("prefix", {})):
            self._declare(part)
        for kind, members in whole.items():
            for group in _listed(members):
                if kind == "prefix":
                    continue
                if not isinstance(group, dict):
                    self._leave(f"{kind!r} holds no object of records")
                elif kind == "bundle":
                    self._read_bundles(group)
                elif kind in SIGNATURES:
                    self._read_kind(kind, group)
                else:
                    self._leave(f"{kind!r} is no kind of PROV record: {len(group)} not checked")

    def _declare(self, prefixes: Any) -> None:
        if not isinstance(prefixes, dict):
            self._leave("'prefix' holds no object")
            return
        for prefix, namespace in prefixes.items():
            if isinstance(namespace, str):
                self._prefixes[prefix] = namespace
            else:
                self._leave(f"prefix {prefix!r} stands for no text")

    def _read_bundles(self, bundles: Mapping[str, Any]) -> None:
        for name, content in bundles.items():
            for part in _listed(content):
                if isinstance(part, dict) and not self._bundle:
                    _Instance(self._document, self._name(name), self._prefixes).read(part)
                else:
                    self._leave(f"bundle {name!r} is no object, or within another bundle")

    def _read_kind(self, kind: str, members: Mapping[str, Any]) -> None:
        for uid, content in members.items():
            for one in _listed(content):
                if isinstance(one, dict):
                    self._records.extend(self._parse(kind, uid, one))
                else:
                    self._leave(f"{kind} {uid!r} is no object")

    def _parse(self, kind: str, uid: str, content: Mapping[str, Any]) -> Iterator[Record]:
        values: list[list[str]] = []
        for argument in SIGNATURES[kind]:
            given = _listed(content.get("prov:" + argument.name, []))
            texts = [self._text(value, argument.sort == "time") for value in given]
            several = kind == "hadMember" and argument.name == "entity"
            if None in texts or (len(texts) > 1 and not several):
                self._leave(f"{kind} {uid!r}: prov:{argument.name} is not one text: not checked")
                return
            values.append([text for text in texts if text is not None] or [""])
        types = tuple(filter(None, map(self._type, _listed(content.get("prov:type", [])))))
        for last in values[-1] if values else [""]:
            arguments = (*(one[0] for one in values[:-1]), last) if values else ()
            yield Record(kind, self._name(uid), arguments, types)
            if self._document.asked:
                self._keep_attributes(kind, content)

    def _keep_attributes(self, kind: str, content: Mapping[str, Any]) -> None:
        formal = {"prov:" + argument.name for argument in SIGNATURES[kind]}
        self._document.attributes.setdefault(self._bundle, []).append(
            [
                (self._name(name), self._resolved(value))
                for name, values in content.items()
                if name not in formal
                for value in _listed(values)
            ]
        )

    def _resolved(self, value: Any) -> Any:
        """Give a value with full IRIs where it is a qualified name."""
        if isinstance(value, dict):
            datatype = str(value.get("type", "")).rpartition(":")[2]
            if datatype in _QUALIFIED and isinstance(value.get("$"), str):
                return {**value, "$": self._type(value)}
        return value

    def _text(self, value: Any, is_time: bool) -> str | None:
        if isinstance(value, dict):
            value = value.get("$")
        if not isinstance(value, str):
            return None
        return value if is_time else self._name(value)

    def _type(self, value: Any) -> str:
        """Give a prov:type as an IRI where it is a qualified name, else as its text."""
        if isinstance(value, dict):
            text, datatype = value.get("$"), str(value.get("type", ""))
            qualified = datatype.rpartition(":")[2] in _QUALIFIED
            known = str(text).partition(":")[0] in self._prefixes
            return self._name(str(text)) if qualified and known else str(text)
        # Early writers left out that a type is a qualified name.
        text = str(value)
        return self._name(text) if text.partition(":")[0] in self._prefixes else text

    def _name(self, text: str) -> str:
        if text.startswith("_:"):
            # Blank names are an instance's own.
            return text if not self._bundle else f"_:{self._bundle} {text[2:]}"
        prefix, colon, local = text.partition(":")
        if not colon:
            prefix, local = "default", text
        namespace = self._prefixes.get(prefix)
        if namespace is None:
            if prefix not in self._strange:
                self._strange.add(prefix)
                shown = "no default namespace" if prefix == "default" else f"no prefix {prefix!r}"
                self._leave(f"{text!r}: {shown} is declared; the name was taken as it is")
            return text
        if self._document.asked:
            self._document.written.setdefault(namespace + local, text)
        return namespace + local

    def _leave(self, reason: str) -> None:
        place = f"bundle {self._bundle}: " if self._bundle else ""
        self._document.unread.append(place + reason)
