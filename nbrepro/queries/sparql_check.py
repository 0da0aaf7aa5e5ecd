"""Check that a SPARQL query does what its header says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nbrepro.errors import QueryError
from nbrepro.queries.header import Header, line_at
from nbrepro.sparql_text import BindingSite, Select, Token, read_binding_sites, read_selects, tokens


def check_sparql(text: str, path: Path, header: Header) -> None:
    """Check columns, binding sites and scopes. Raises QueryError with file and line."""
    words = list(tokens(text))
    selects = read_selects(words)
    if not selects or not _is_select(words):
        raise QueryError(f"{path}:1: not a SELECT query; named questions are")
    if selects[0].projected != header.columns:
        found = ", ".join(selects[0].projected)
        raise QueryError(
            f"{path}:{line_at(text, selects[0].start)}: SELECT gives [{found}], the header's "
            f"columns are [{', '.join(header.columns)}]; make them equal"
        )
    sites = list(read_binding_sites(words))
    _check_sites(text, path, header, sites)
    for select in selects[1:]:
        _check_scope(text, path, header, select, sites)


def _is_select(words: Sequence[Token]) -> bool:
    forms = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
    return next((w.text.upper() for w in words if w.text.upper() in forms), "") == "SELECT"


def _check_sites(text: str, path: Path, header: Header, sites: Sequence[BindingSite]) -> None:
    declared = {parameter.name for parameter in header.parameters}
    for site in sites:
        if site.name not in declared:
            raise QueryError(
                f"{path}:{line_at(text, site.start)}: ?{site.name} is bound here but the header "
                "does not declare it; add it to parameters"
            )
    unused = declared - {site.name for site in sites} - {"run"}
    if unused:
        name = min(unused)
        raise QueryError(
            f"{path}:1: the parameter {name!r} is not used; write VALUES ?{name} {{ UNDEF }} where "
            "it is to be bound"
        )


def _check_scope(
    text: str, path: Path, header: Header, select: Select, sites: Sequence[BindingSite]
) -> None:
    bound = {site.name for site in sites if select.start <= site.start < select.end}
    for parameter in header.parameters:
        name = parameter.name
        if name in select.used and name not in select.projected and name not in bound:
            raise QueryError(
                f"{path}:{line_at(text, select.start)}: this sub-SELECT uses ?{name} but neither "
                f"projects nor binds it, so it would match everything; write VALUES ?{name} "
                "{ UNDEF } inside"
            )
