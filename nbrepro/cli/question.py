"""The command that asks named questions, and queries of one's own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.answers import Provenance
from nbrepro.cli.options import (
    CSV,
    JSON,
    TABLE,
    complete_parameter,
    complete_question,
    open_asked,
    store_option,
    style_options,
)
from nbrepro.cli.printing import Column, print_csv, print_json, print_notes, print_table
from nbrepro.errors import NotFoundError, UsageError
from nbrepro.formats import visible
from nbrepro.model import Table

if TYPE_CHECKING:
    from nbrepro.queries import Question

DOT, SVG = "dot", "svg"
ASKED_S = 60.0
"""How long a query of the caller's own may take unless they say."""


@click.command("query", short_help="Ask a named question, or a query of your own.")
@click.argument("name", required=False, shell_complete=complete_question)
@click.option(
    "-p", "parameters", multiple=True, metavar="KEY=VALUE", shell_complete=complete_parameter,
    help="A parameter of the question (again for more); run is the last run unless given.",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the named questions.")
@click.option("--sparql", metavar="FILE|-", help="Ask a SPARQL SELECT from a file; it only reads.")
@click.option("--cypher", metavar="FILE|-", help="Ask a Cypher query of Neo4j; it only reads.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help=f"Give up after this time ({ASKED_S:g} for queries of your own, else none).",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="Print the query as it would be asked.")
@click.option("--dot", "style", flag_value=DOT, help="Print edges as a graph for Graphviz.")
@click.option("--svg", "style", flag_value=SVG, help="Print edges as a drawing (needs Graphviz).")
@style_options
@store_option
def query_command(
    name: str | None,
    parameters: Sequence[str],
    listing: bool,
    sparql: str | None,
    cypher: str | None,
    limit: int | None,
    timeout: float | None,
    explain: bool,
    store: str | None,
    style: str,
) -> None:
    """Ask a named question, or a query of your own in the language of the store.

    \b
    nbrepro query --list
    nbrepro query cells-that-read -p file=data/stations.csv
    nbrepro query lineage-of-file -p file=result.csv --svg > result.svg
    echo 'SELECT * {?s ?p ?o}' | nbrepro query --sparql - --limit 5
    """
    own = {"sparql": sparql, "cypher": cypher}
    asked = [dialect for dialect, source in own.items() if source is not None]
    if len(asked) + (name is not None) + listing != 1:
        raise UsageError("give one of: the NAME of a question, --list, --sparql FILE")
    if listing:
        list_questions(style)
    elif asked:
        text = read_text(str(own[asked[0]]))
        if explain:
            click.echo(text)
        else:
            print_answer(select_own(store, asked[0], text, limit, timeout), style)
    else:
        with open_asked(store) as provenance:
            if explain:
                explain_question(provenance, str(name), parse_pairs(parameters))
                return
            table = provenance.answer(str(name), parse_pairs(parameters), timeout)
        print_answer(_cut(table, limit), style, str(name))


def select_own(
    store: str | None, dialect: str, text: str, limit: int | None, timeout: float | None
) -> Table:
    """Ask a query of the caller's own. Raises UsageError where the store knows another language."""
    with open_asked(store) as provenance:
        known = provenance.store.dialect
        if known != dialect:
            raise UsageError(f"{provenance.location}: is asked in {known}; use --{known} FILE")
        return provenance.select(text, limit, timeout or ASKED_S)


def parse_pairs(texts: Sequence[str]) -> dict[str, str]:
    """Turn `key=value` texts into parameters. Raises UsageError."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"-p {text}: is not KEY=VALUE; write for example -p cell=5")
        pairs[key] = value
    return pairs


def read_text(source: str) -> str:
    """Read a query from a file, or from standard input for `-`. Raises NotFoundError."""
    if source == "-":
        text = sys.stdin.read()
    else:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise NotFoundError(f"{source}: cannot be read ({reason})") from None
    if not text.strip():
        raise UsageError(f"{source}: no query in it; write a SPARQL SELECT")
    return text


def list_questions(style: str) -> None:
    """Print the named questions with what they take and give."""
    questions = _questions_here()
    ordered = [question for _, question in sorted(questions.items())]
    if style == JSON:
        print_json(map(_question_record, ordered))
    elif style == CSV:
        lines = ([q.name, q.summary, _takes(q), ", ".join(q.columns)] for q in ordered)
        print_csv(["name", "description", "parameters", "columns"], lines)
    elif style in (DOT, SVG):
        raise UsageError("--list is no graph; print it as a table, --json or --csv")
    else:
        columns = [
            Column("question", lambda question: question.name, "bold"),
            Column("parameters", _takes),
            Column("summary", lambda question: visible(question.summary)),
        ]
        print_table(ordered, columns, "no question is known")


def _questions_here() -> dict[str, Question]:
    """Give every question, the project's own too where there is a project; no store is needed."""
    from nbrepro.answers import find_recorded
    from nbrepro.queries import load_questions

    project = find_recorded(Path.cwd())
    return load_questions([project.home / "queries"] if project else [])


def _question_record(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "description": question.summary,
        "parameters": [dataclasses.asdict(parameter) for parameter in question.parameters],
        "columns": list(question.columns),
        "dialects": sorted(question.texts),
    }


def _takes(question: Question) -> str:
    return ", ".join(p.name if p.required else f"{p.name}?" for p in question.parameters)


def explain_question(provenance: Provenance, name: str, parameters: dict[str, str]) -> None:
    """Print the text that a question would be asked with, and the values of its parameters."""
    question = provenance.question(name)
    values = question.check_values(provenance.resolve(question, parameters))
    dialect = provenance.store.dialect
    comment = {"sparql": "#", "cypher": "//"}[dialect]
    for key, value in values.items():
        click.echo(f"{comment} {key} = {visible(value)}")
    click.echo(question.bind(dialect, provenance.terms(values)).rstrip())


def _cut(table: Table, limit: int | None) -> Table:
    if limit is None or len(table) <= limit:
        return table
    return Table(table.columns, table.rows[:limit], truncated=True)


def print_answer(table: Table, style: str, title: str = "answer") -> None:
    """Print the answer to any question."""
    if style in (DOT, SVG):
        from nbrepro.export.drawing import to_dot, to_svg

        dot = to_dot(table, title)
        click.echo(dot if style == DOT else to_svg(dot), nl=False)
    elif style == JSON:
        print_json(table.records())
    elif style == CSV:
        print_csv(table.columns, table.rows)
    else:
        columns = [
            Column(name, lambda row, index=index: visible(row[index]))  # type: ignore[misc]
            for index, name in enumerate(table.columns)
        ]
        print_table(table.rows, columns, "no rows")
    if table.truncated and style == TABLE:
        print_notes(["more rows exist: raise --limit"])
