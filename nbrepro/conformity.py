"""Check JSON values against the project's own schemas.

The library that does it is imported when something is checked: many commands check nothing.
"""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from nbrepro.resources import find_resources

_IRI_GRAMMAR = "rfc3987_syntax"


class Violation(NamedTuple):
    """What in a value breaks a schema: its JSON path, and how."""

    path: str
    message: str


def find_violation(record: Any, schema_name: str) -> Violation | None:
    """Give the most telling violation of one of our schemas (`NAME.schema.json`), if any."""
    import jsonschema
    from jsonschema.exceptions import best_match

    schema = json.loads((find_resources("schemas") / schema_name).read_text())
    # Not `validate`, which would check our own schema each time.
    wrong = best_match(jsonschema.Draft202012Validator(schema).iter_errors(record))
    return None if wrong is None else Violation(wrong.json_path, wrong.message)


def skip_iri_grammar() -> None:
    """Keep jsonschema from building a grammar of IRIs as it is imported, for more than a second.

    It does so where the package rfc3987_syntax is installed, which comes with JupyterLab; no schema
    of ours has IRIs. For processes that are nbrepro's alone: others may want to check some.
    """
    if "jsonschema" not in sys.modules:
        sys.modules[_IRI_GRAMMAR] = None  # type: ignore[assignment]
