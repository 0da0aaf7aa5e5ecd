"""Write PROV-XML (W3C Note, 30 April 2013).

Characters that XML 1.0 has no way to write become their pictures (U+2400 and on), as an editor
shows them; what is not a character becomes U+FFFD. Names are QNames in the wide sense of PROV,
not of XML Schema, which would not have `run:file/1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from nbrepro.export.extract import Extract
from nbrepro.export.headed import write_headed
from nbrepro.export.provrecords import NAME, RECORD_KINDS, TEXT, TIME, ProvRecord, ProvRecords
from nbrepro.vocabulary import XSD

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_FIRST = ("prov:label", "prov:location", "prov:role", "prov:type", "prov:value")
"""Attributes of PROV in the order of the schema; the others follow."""


def write_prov_xml(extract: Extract, out: BinaryIO) -> None:
    """Write the extract as PROV-XML."""
    records = ProvRecords(extract)
    pieces = (_element(record) for kind in RECORD_KINDS for record in records.of_kind(kind))
    write_headed(records, extract, out, pieces, _head, "</prov:document>\n")


def _head(prefixes: Mapping[str, str]) -> str:
    # PROV-XML calls the namespace of XML Schema by its own name, without the `#` of RDF.
    spaces = {**prefixes, "xsd": XSD.rstrip("#"), "xsi": _XSI}
    declared = "".join(f"\n  xmlns:{prefix}={quoteattr(it)}" for prefix, it in spaces.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<prov:document{declared}>\n'


def _element(record: ProvRecord) -> str:
    name = f" prov:id={quoteattr(record.name)}" if record.name else ""
    parts = [f"<prov:{record.kind}{name}>"]
    for argument, (text, datatype) in record.arguments.items():
        if datatype == TIME:
            parts.append(f"  <prov:{argument}>{text}</prov:{argument}>")
        else:
            parts.append(f"  <prov:{argument} prov:ref={quoteattr(text)}/>")
    for attribute, (text, datatype) in sorted(record.attributes, key=_place):
        kind = "xsd:QName" if datatype == NAME else datatype
        type_ = "" if datatype == TEXT else f' xsi:type="{kind}"'
        parts.append(f"  <{attribute}{type_}>{_text(text)}</{attribute}>")
    parts.append(f"</prov:{record.kind}>\n")
    return "\n".join(parts)


def _place(attribute: tuple[str, object]) -> tuple[int, str]:
    name = attribute[0]
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _text(text: str) -> str:
    if not text.isprintable():
        text = _UNWRITABLE.sub(_picture, text)
    # A parser would make a line feed of a carriage return.
    return escape(text, {"\r": "&#13;"})


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"
