"""A comparison as one HTML page: nothing to load from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import combinations

from nbrepro.compare import CellPair, Comparison, Difference, Portrait
from nbrepro.formats import visible

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; overflow-wrap: anywhere;
         border-bottom: 1px solid #d5dae0; }
th { font-weight: 600; background: #f3f5f7; }
code { font: 13px/1.4 ui-monospace, monospace; white-space: pre-wrap; }
.first { border-left: 4px solid #b3261e; padding: .2rem 1rem; background: #fbeeed; }
.equal { border-left: 4px solid #1d7a3c; padding: .2rem 1rem; background: #edf7f0; }
.same td { color: #667; }
"""


def make_page(portraits: Sequence[Portrait], found: Sequence[Comparison]) -> str:
    """Give the page: a matrix where there are more than two runs, then each comparison."""
    pairs = list(combinations(range(len(portraits)), 2))
    parts = [_matrix(portraits, found, pairs)] if len(portraits) > 2 else []
    for number, comparison in enumerate(found):
        parts += _comparison(comparison, number)
    title = " and ".join(visible(portrait.name) for portrait in portraits)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _comparison(found: Comparison, number: int) -> Iterator[str]:
    yield f'<h1 id="c{number}">{_text(found.a.name)} and {_text(found.b.name)}</h1>'
    yield _verdict(found)
    yield "<h2>The two runs</h2>" + _table(
        ("", "a", "b"),
        ((name, _text(getattr(found.a, name)), _text(getattr(found.b, name)))
         for name in ("run", "notebook", "status", "host", "platform", "python", "cpus")),
    )  # fmt: skip
    if found.differences:
        yield "<h2>Causes, in causal order</h2>" + _causes(found.differences)
    yield "<h2>Cells</h2>" + _cells(found.cells)
    if found.unused:
        yield "<h2>Differences that nothing observed used</h2>" + _causes(found.unused)
    if found.unknown:
        items = "".join(f"<li>{_text(reason)}</li>" for reason in found.unknown)
        yield f"<h2>Not compared</h2><ul>{items}</ul>"


def _verdict(found: Comparison) -> str:
    first = found.first_divergence
    if first is None:
        return '<p class="equal">No difference was found in what the cells used and made.</p>'
    where = _place(first.cell, first.cell_b)
    return (
        f'<p class="first"><b>First divergence: {_text(first.kind)}</b> '
        f"<code>{_text(first.subject)}</code> in {where or 'the kernel itself'}: "
        f"{_text(first.because)}.<br>a: <code>{_side(first.a)}</code><br>"
        f"b: <code>{_side(first.b)}</code></p>"
    )


def _causes(differences: Iterable[Difference]) -> str:
    titles = ("#", "cell", "kind", "subject", "a", "b", "because", "followed by")
    return _table(
        titles,
        (
            (str(number), _place(one.cell, one.cell_b) or "kernel", _text(one.kind),
             f"<code>{_text(one.subject)}</code>", f"<code>{_side(one.a)}</code>",
             f"<code>{_side(one.b)}</code>",
             _text(one.because + (" (possible)" if one.certainty == "possible" else "")),
             str(len(one.effects)))
            for number, one in enumerate(differences, 1)
        ),
    )  # fmt: skip


def _cells(cells: Iterable[CellPair]) -> str:
    rows = []
    for pair in cells:
        effects = "<br>".join(
            f"{_text(e.subject)}: <code>{_text(e.a)}</code> → <code>{_text(e.b)}</code>"
            for e in pair.effects
        )
        causes = ", ".join(str(cause + 1) for cause in pair.causes)
        how = pair.how + (", moved" if pair.moved else "")
        rows.append((_place(pair.cell, pair.cell_b), f"<code>{_text(pair.title)}</code>",
                     _text(how), causes, effects))  # fmt: skip
    return _table(("cell", "code", "paired by", "depends on cause", "differs in"), rows)


def _matrix(
    portraits: Sequence[Portrait], found: Sequence[Comparison], pairs: Sequence[tuple[int, int]]
) -> str:
    cells = {pair: (number, one.first_divergence) for number, (pair, one) in
             enumerate(zip(pairs, found, strict=True))}  # fmt: skip
    rows = []
    for row in range(len(portraits)):
        line = [f"{row + 1} {_text(portraits[row].name)}"]
        for column in range(len(portraits)):
            known = cells.get((min(row, column), max(row, column)))
            if known is None:
                line.append("")
                continue
            first = known[1]
            said = "=" if first is None else f"{_text(first.kind)} {_text(first.subject)}"
            line.append(f'<a href="#c{known[0]}">{said}</a>')
        rows.append(line)
    titles = ["run", *(str(number + 1) for number in range(len(portraits)))]
    return "<h1>First divergences</h1>" + _table(titles, rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


def _place(cell: int | None, other: int | None) -> str:
    if cell is None:
        return "" if other is None else f"cell {other} of b"
    return f"cell {cell}" + (f" ({other} in b)" if other not in (None, cell) else "")


def _side(text: str | None) -> str:
    return "(none)" if text is None else _text(text)


def _text(value: object) -> str:
    return escape(visible(value))
