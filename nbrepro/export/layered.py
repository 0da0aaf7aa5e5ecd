"""Lay out a small graph in columns, and draw it as SVG: no program or library is needed.

A box stands one column right of the furthest of those it comes from; within a column boxes are
ordered by where those stand. That is what there is of Sugiyama's method, and enough for a notebook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 170, 30, 56, 14, 12
_LETTERS = 23
_PASSES = 4


class Box(NamedTuple):
    """A box: the text in it, the text shown when it is pointed at, and its classes in CSS."""

    label: str
    title: str
    style: str


def draw(boxes: Mapping[str, Box], arrows: Sequence[tuple[str, str]]) -> str:
    """Give the SVG of boxes and the arrows between them, each from and to a key of a box."""
    columns = _ordered(_columns(boxes, arrows), arrows)
    places = {
        key: (_MARGIN + x * (_WIDTH + _GAP_X), _MARGIN + y * (_HEIGHT + _GAP_Y))
        for x, column in enumerate(columns)
        for y, key in enumerate(column)
    }
    width = 2 * _MARGIN + len(columns) * (_WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + max(map(len, columns), default=0) * (_HEIGHT + _GAP_Y)
    drawn = [_arrow(places[one], places[other]) for one, other in arrows]
    drawn += [_box(boxes[key], *place) for key, place in places.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">{"".join(drawn)}</svg>'
    )


def _columns(boxes: Mapping[str, Box], arrows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Give the boxes of each column: by the longest way to a box (arrows of a circle aside)."""
    after: dict[str, list[str]] = defaultdict(list)
    waits: dict[str, int] = dict.fromkeys(boxes, 0)
    for one, other in arrows:
        after[one].append(other)
        waits[other] += 1
    depth = dict.fromkeys(boxes, 0)
    ready = [key for key, count in waits.items() if not count]
    for key in ready:
        for other in after[key]:
            depth[other] = max(depth[other], depth[key] + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for key in boxes:
        columns[depth[key]].append(key)
    return columns


def _ordered(columns: list[list[str]], arrows: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Order each column by the mean place of what its boxes are joined to."""
    near: dict[str, list[str]] = defaultdict(list)
    for one, other in arrows:
        near[one].append(other)
        near[other].append(one)
    place = {key: float(y) for column in columns for y, key in enumerate(column)}
    for _ in range(_PASSES):
        for column in columns:
            wanted = {
                key: sum(place[n] for n in near[key]) / len(near[key]) if near[key] else place[key]
                for key in column
            }
            column.sort(key=wanted.__getitem__)
            place.update({key: float(y) for y, key in enumerate(column)})
    return columns


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    x, y = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    to_x, to_y = end[0], end[1] + _HEIGHT // 2
    bend = max(40, (to_x - x) // 2)
    return f'<path d="M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}"/>'


def _box(box: Box, x: int, y: int) -> str:
    label = box.label if len(box.label) <= _LETTERS else "…" + box.label[1 - _LETTERS :]
    radius = 12 if "cell" in box.style else 2
    return (
        f'<g class="{escape(box.style)}"><title>{escape(box.title)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}"/>'
        f'<text x="{x + 8}" y="{y + 19}">{escape(label)}</text></g>'
    )
