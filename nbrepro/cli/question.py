"""The command that asks named questions, and SPARQL of one's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrepro.answers import Provenance
from nbrepro.cli.options import (
    CSV,
    JSON,
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


@click.command("query")
@click.argument("name", required=False, shell_complete=complete_question)
@click.option(
    "-p", "parameters", multiple=True, metavar="KEY=VALUE",
    help="A parameter of the question (again for more); run is the last run unless given.",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List the named questions.")
@click.option("--sparql", metavar="FILE|-", help="Ask a SPARQL SELECT from a file; it only reads.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N rows.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True,
    metavar="SECONDS", help="Give up on --sparql after this time.",
)  # fmt: skip
@click.option("--explain", is_flag=True, help="Print the query with its parameters, do not ask.")
@style_options
@store_option
def query_command(
    name: str | None,
    parameters: Sequence[str],
    listing: bool,
    sparql: str | None,
    limit: int | None,
    timeout: float,
    explain: bool,
    store: str | None,
    style: str,
) -> None:
    """Ask a named question, or a SPARQL query of your own.

    \b
    nbrepro query --list
    nbrepro query cells-that-read -p file=data/stations.csv
    echo 'SELECT * {?s ?p ?o}' | nbrepro query --sparql - --limit 5
    """
    if sum([name is not None, listing, sparql is not None]) != 1:
        raise UsageError("give one of: the NAME of a question, --list, --sparql FILE")
    if listing:
        list_questions(style)
        return
    text = read_text(sparql) if sparql is not None else ""
    if text and explain:
        click.echo(text)
        return
    with open_asked(store) as provenance:
        if text:
            table = provenance.select(text, limit, timeout)
        elif explain:
            explain_question(provenance, str(name), parse_pairs(parameters))
            return
        else:
            table = _cut(provenance.answer(str(name), parse_pairs(parameters)), limit)
    print_answer(table, style)


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
    records = [_question_record(question) for _, question in sorted(questions.items())]
    if style == JSON:
        print_json(records)
    elif style == CSV:
        print_csv(list(records[0]), ([_joined(v) for v in record.values()] for record in records))
    else:
        columns = [
            Column("question", lambda record: record["name"], "bold"),
            Column("parameters", lambda record: _joined(record["parameters"])),
            Column("summary", lambda record: visible(record["summary"])),
        ]
        print_table(records, columns, "no question is known")


def _questions_here() -> dict[str, Question]:
    """Give every question, the project's own too where there is a project; no store is needed."""
    from nbrepro.answers import find_recorded
    from nbrepro.queries import load_questions

    project = find_recorded(Path.cwd())
    return load_questions([project.home / "queries"] if project else [])


def _question_record(question: Question) -> dict[str, Any]:
    names = [p.name if p.required else f"{p.name}?" for p in question.parameters]
    return {
        "name": question.name,
        "summary": question.summary,
        "parameters": names,
        "columns": list(question.columns),
    }


def _joined(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def explain_question(provenance: Provenance, name: str, parameters: dict[str, str]) -> None:
    """Print the text of a question, and the values that its parameters would have."""
    question = provenance.question(name)
    resolved = question.check_values(provenance.resolve(question, parameters))
    for key, value in resolved.items():
        click.echo(f"# {key} = {visible(value)}")
    click.echo(question.texts[provenance.store.dialect].rstrip())


def _cut(table: Table, limit: int | None) -> Table:
    if limit is None or len(table) <= limit:
        return table
    return Table(table.columns, table.rows[:limit], truncated=True)


def print_answer(table: Table, style: str) -> None:
    """Print the answer to any question."""
    if style == JSON:
        print_json(table.records())
    elif style == CSV:
        print_csv(table.columns, table.rows)
    else:
        columns = [
            Column(name, lambda row, index=index: visible(row[index]))  # type: ignore[misc]
            for index, name in enumerate(table.columns)
        ]
        print_table(table.rows, columns, "no rows")
    if table.truncated and style not in (JSON, CSV):
        print_notes(["more rows exist: raise --limit"])
