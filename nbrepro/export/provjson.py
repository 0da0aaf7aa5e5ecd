"""Write PROV-JSON (W3C member submission, 24 April 2013), in the subset that every reader accepts.

Prefixes come first; no two records have one id; a typed value's `$` is text; a label is plain
text; the names of relations without one begin with `_:`. ASCII, a record a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import BinaryIO

from nbrepro.export.extract import Extract
from nbrepro.export.headed import write_headed
from nbrepro.export.provrecords import RECORD_KINDS, TEXT, TIME, ProvRecord, ProvRecords, Typed


def write_prov_json(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as PROV-JSON."""
    records = ProvRecords(extract)
    write_headed(records, extract, out, _pieces(records), _head, "}\n")


def _head(prefixes: Mapping[str, str]) -> str:
    return f'{{"prefix": {json.dumps(prefixes, indent=2)}'


def _pieces(records: ProvRecords) -> Iterator[str]:
    number = 0
    for kind in RECORD_KINDS:
        opener = f',\n"{kind}": {{\n'
        for record in records.of_kind(kind):
            number += 1
            name = record.name or f"_:{number}"
            yield f"{opener}{quoted(name)}: {_content(record)}"
            opener = ",\n"
        if opener == ",\n":
            yield "\n}"


def _content(record: ProvRecord) -> str:
    parts = [f'"prov:{name}": {quoted(text)}' for name, (text, _) in record.arguments.items()]
    several: dict[str, list[str]] = {}
    for name, value in record.attributes:
        several.setdefault(name, []).append(_value(value))
    for name, values in several.items():
        text = values[0] if len(values) == 1 else f"[{', '.join(values)}]"
        parts.append(f"{quoted(name)}: {text}")
    return "{" + ", ".join(parts) + "}"


def _value(value: Typed) -> str:
    text, datatype = value
    if datatype in (TEXT, TIME):
        return quoted(text)
    return f'{{"$": {quoted(text)}, "type": "{datatype}"}}'
