"""The formats that a graph can be written in, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO, NamedTuple

from nbrepro.errors import UsageError
from nbrepro.export.extract import Extract

Write = Callable[[Extract, BinaryIO], None]


class Format(NamedTuple):
    """A format: its name, what its files end in, and the function that writes it.

    `home` and `function` name that: most formats are not asked for, and their modules not loaded.
    """

    name: str
    suffix: str
    home: str
    function: str

    def write(self, extract: Extract, out: BinaryIO) -> None:
        """Write an extract. Raises MachineError where a program or library is missing."""
        module = import_module(f"nbrepro.export.{self.home}")
        write: Write = getattr(module, self.function)
        write(extract, out)


FORMATS = {
    one.name: one
    for one in (
        Format("prov-json", ".prov.json", "provjson", "write_prov_json"),
        Format("prov-n", ".provn", "provn", "write_prov_n"),
        Format("prov-xml", ".prov.xml", "provxml", "write_prov_xml"),
        Format("turtle", ".ttl", "rdf", "write_turtle"),
        Format("trig", ".trig", "rdf", "write_trig"),
        Format("nquads", ".nq", "rdf", "write_nquads"),
        Format("json-ld", ".jsonld", "jsonld", "write_json_ld"),
        Format("cyclonedx", ".cdx.json", "cyclonedx", "write_cyclonedx"),
        Format("dot", ".dot", "drawn", "write_dot"),
        Format("svg", ".svg", "drawn", "write_svg"),
        Format("html", ".html", "page", "write_page"),
    )
}
"""Every format that is one file."""

ALIASES = {
    "prov-o": "turtle", "ttl": "turtle", "nq": "nquads", "n-quads": "nquads", "jsonld": "json-ld",
    "provn": "prov-n", "provjson": "prov-json", "provxml": "prov-xml", "sbom": "cyclonedx",
    "crate": "ro-crate",
}  # fmt: skip


def find_format(name: str) -> Format:
    """Find a format by its name or another word for it. Raises UsageError."""
    found = FORMATS.get(ALIASES.get(name, name))
    if found is None:
        raise UsageError(f"{name}: no such format; choose one of {', '.join(FORMATS)}")
    return found
