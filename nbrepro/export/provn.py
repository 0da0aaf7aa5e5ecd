"""Write PROV-N (W3C Recommendation, 30 April 2013)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO

from nbrepro.export.extract import Extract
from nbrepro.export.headed import write_headed
from nbrepro.export.provrecords import NAME, RECORD_KINDS, TEXT, ProvRecord, ProvRecords, Typed
from nbrepro.validity.records import OBJECTS, SIGNATURES

_SPECIAL = re.compile(r"[='(),:;\[\]]|^[-.]|\.$")
"""What the local part of a name may only hold behind a backslash (PROV-N, PN_CHARS_ESC)."""
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_IMPLIED = frozenset({"prov", "xsd"})
"""Prefixes that PROV-N has itself and must not be declared otherwise."""


def write_prov_n(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as PROV-N."""
    records = ProvRecords(extract)
    pieces = (
        f"  {_expression(record)}\n" for kind in RECORD_KINDS for record in records.of_kind(kind)
    )
    write_headed(records, extract, out, pieces, _head, "endDocument\n")


def _head(prefixes: Mapping[str, str]) -> str:
    declared = (
        f"  prefix {prefix} <{space}>\n"
        for prefix, space in prefixes.items()
        if prefix not in _IMPLIED
    )
    return f"document\n{''.join(declared)}"


def _expression(record: ProvRecord) -> str:
    words = [_argument(record.arguments.get(one.name)) for one in SIGNATURES[record.kind]]
    name = _escaped(record.name) if record.name else ""
    if record.kind in OBJECTS:
        words.insert(0, name)
        name = ""
    if record.attributes:
        pairs = (f"{_escaped(attribute)}={_value(value)}" for attribute, value in record.attributes)
        words.append(f"[{', '.join(pairs)}]")
    return f"{record.kind}({f'{name}; ' if name else ''}{', '.join(words)})"


def _argument(value: Typed | None) -> str:
    if value is None:
        return "-"
    text, datatype = value
    return _escaped(text) if datatype == NAME else text


def _value(value: Typed) -> str:
    text, datatype = value
    if datatype == NAME:
        return f"'{_escaped(text)}'"
    literal = f'"{text.translate(_ESCAPES)}"'
    return literal if datatype == TEXT else f"{literal} %% {datatype}"


def _escaped(name: str) -> str:
    prefix, _, local = name.partition(":")
    if not _SPECIAL.search(local):
        return name
    return f"{prefix}:{_SPECIAL.sub(lambda match: chr(92) + match[0], local)}"
