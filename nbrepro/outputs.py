"""Compare what a cell printed and showed in two executions, and digest it for a third.

Two executions of the same code seldom print the same bytes: addresses, clocks, temporary names and
the splitting of streams vary without meaning. `normalise` replaces those in text; numbers are equal
within a tolerance, images by their pixels, JSON by its values. Outputs are nbformat's dictionaries
(https://nbformat.readthedocs.io/en/latest/format_description.html#code-cell-outputs).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import math
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

Output = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two floating-point numbers or two channels of a pixel (0 to 255) may differ."""

    relative: float = 1e-9
    absolute: float = 1e-12
    pixel: int = 0


EXACT = Tolerance(0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: in which part of the outputs (`stdout`, `image/png`, ...), and both sides.

    A side that is absent is the empty text; long ones are cut around the first difference.
    """

    part: str
    recorded: str
    again: str
    reason: str


_VOLATILE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]"), ""),
    (re.compile(r"[^\n]*\r(?!\n)"), ""),  # a progress bar: what the last \r leaves is shown
    (re.compile(r"\r\n"), "\n"),
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "0xADDRESS"),
    (
        re.compile(
            r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
        ),
        "UUID",
    ),
    (re.compile(r"/tmp/ipykernel_\d+/\d+\.py"), "CELL"),  # noqa: S108 (IPython's names of cells)
    (re.compile(r"\b(tcp|tls)://\d{1,3}(?:\.\d{1,3}){3}:\d+"), r"\1://ADDRESS"),
    (re.compile(r"\b(https?://(?:127\.0\.0\.1|localhost)):\d+"), r"\1:PORT"),
    # What Dask gives a number or a name by chance: directories of workers, clusters.
    (re.compile(r"(/dask-scratch-space/[a-z]+-)[a-z0-9_]{8}\b"), r"\1NAME"),
    (re.compile(r"(LocalCluster\(|<p style=\"color: #9D9D9D[^>]*>)[0-9a-f]{8}\b"), r"\1ID"),
    (re.compile(r"(?:/var)?/tmp/tmp[A-Za-z0-9_]{6,12}"), "TEMPORARY"),
    (re.compile(r"(?m)^(CPU times|Wall time|Compiler time)\s?:.*$"), r"\1: TIME"),
    (re.compile(r"(?m)^.*\b(?:loops?|runs?) each\)$"), "TIMEIT"),
    (re.compile(r"\bT_[0-9a-f]{5}"), "T_STYLE"),  # the ids that pandas gives to styled tables
    (re.compile(r'"model_id":\s*"[0-9a-f]{32}"'), '"model_id": "MODEL"'),
)
_VOLATILE_SVG: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<metadata>.*?</metadata>", re.DOTALL), ""),
    (re.compile(r"<dc:date>[^<]*</dc:date>"), ""),
    # Matplotlib salts the ids of paths and clips anew in each process.
    (re.compile(r"\b([mpDChi]|image)[0-9a-f]{10}\b"), r"\1ID"),
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")
_SHOWN = 160


def normalise(text: str) -> str:
    """Replace what varies without meaning: colours, addresses, UUIDs, temporary names, timings."""
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def compare_outputs(
    recorded: Iterable[Output], again: Iterable[Output], tolerance: Tolerance | None = None
) -> list[Difference]:
    """List how the outputs of one cell differ; empty where they mean the same.

    The streams of a name are one text each, however they were split or mixed with other outputs;
    all other outputs are compared in order.
    """
    within = tolerance or Tolerance()
    first, second = _Parts(recorded), _Parts(again)
    found = []
    for name in sorted({*first.streams, *second.streams}):
        sides = first.streams.get(name, ""), second.streams.get(name, "")
        found += _compare(name, *sides, within)
    for one, other in zip_longest(first.shown, second.shown):
        found += _compare_shown(one, other, within)
    return found


def digest_outputs(outputs: Iterable[Output]) -> str:
    """Give the sha256 of a cell's outputs, volatile parts normalised, images by their pixels.

    Equal digests mean equal outputs; unequal ones may still be equal within a tolerance.
    """
    parts = _Parts(outputs)
    shown = [
        {mime: _canonical(mime, value) for mime, value in bundle.items()} for bundle in parts.shown
    ]
    streams = {name: normalise(text) for name, text in parts.streams.items()}
    text = json.dumps([streams, shown], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class _Parts:
    """The outputs of a cell as two things: the text of each stream, and the bundles shown."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self.streams: dict[str, str] = {}
        self.shown: list[dict[str, Any]] = []
        for output in outputs:
            kind = output.get("output_type")
            if kind == "stream":
                name = str(output.get("name", "stdout"))
                self.streams[name] = self.streams.get(name, "") + _joined(output.get("text", ""))
            elif kind == "error":
                # The traceback repeats source lines and paths of this machine.
                said = f"{output.get('ename')}: {output.get('evalue')}"
                self.shown.append({"error": said})
            else:
                self.shown.append(dict(output.get("data", {})))


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _compare_shown(
    one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, within: Tolerance
) -> list[Difference]:
    if one is None or other is None:
        mimes = ", ".join(sorted(one or other or {}))
        reason = "one more output" if one is None else "one output less"
        return [Difference("outputs", mimes if one else "", mimes if other else "", reason)]
    if set(one) != set(other):
        sides = ", ".join(sorted(one)), ", ".join(sorted(other))
        return [Difference("outputs", *sides, "shown in another form")]
    found: list[Difference] = []
    for mime in sorted(one):
        found += _compare(mime, one[mime], other[mime], within)
    return found


def _compare(part: str, one: Any, other: Any, within: Tolerance) -> list[Difference]:
    if one == other:
        return []
    if _is_image(part):
        return _compare_images(part, _joined(one), _joined(other), within)
    return _compare_texts(part, _text(part, one), _text(part, other), within)


def _is_image(mime: str) -> bool:
    return mime.startswith("image/") and not mime.endswith("+xml")


def _text(mime: str, value: Any) -> str:
    if mime.endswith("json") and not isinstance(value, str):
        return normalise(json.dumps(value, sort_keys=True))
    text = normalise(_joined(value))
    if mime == "image/svg+xml":
        for pattern, replacement in _VOLATILE_SVG:
            text = pattern.sub(replacement, text)
    return text


def _compare_texts(part: str, one: str, other: str, within: Tolerance) -> list[Difference]:
    if one == other:
        return []
    if _NUMBER.split(one) != _NUMBER.split(other):
        return [Difference(part, *_around(one, other), "other text")]
    for first, second in zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True):
        if not _close(first, second, within):
            return [Difference(part, first, second, "another number")]
    return []


def _close(one: str, other: str, within: Tolerance) -> bool:
    if one == other:
        return True
    if not any(mark in text for text in (one, other) for mark in ".eE"):
        return one.lstrip("+") == other.lstrip("+")
    return math.isclose(float(one), float(other), rel_tol=within.relative, abs_tol=within.absolute)


def _around(one: str, other: str) -> tuple[str, str]:
    """Cut two texts to what stands around their first difference."""
    start = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    begin = max(0, start - _SHOWN // 4)
    return one[begin : begin + _SHOWN], other[begin : begin + _SHOWN]


def _compare_images(part: str, one: str, other: str, within: Tolerance) -> list[Difference]:
    first, second = _pixels(one), _pixels(other)
    if first is None or second is None:
        return [Difference(part, _short_digest(one), _short_digest(other), "other bytes")]
    if first[0] != second[0]:
        sizes = ["{}x{}".format(*size) for size, _ in (first, second)]
        return [Difference(part, sizes[0], sizes[1], "another size")]
    pairs = zip(first[1], second[1], strict=True)
    worst = 0 if first[1] == second[1] else max(abs(a - b) for a, b in pairs)
    if worst <= within.pixel:
        return []
    sides = _short_digest(one), _short_digest(other)
    return [Difference(part, *sides, f"other pixels, by up to {worst} of 255")]


def _pixels(encoded: str) -> tuple[tuple[int, int], bytes] | None:
    """Give an image's size and its RGBA bytes; None where it cannot or must not be decoded."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # A picture so large that decoding it may fill the memory counts by its bytes.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
                return image.size, image.convert("RGBA").tobytes()
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None


def _short_digest(encoded: str) -> str:
    try:
        data = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        data = encoded.encode("utf-8", "replace")
    return "sha256 " + hashlib.sha256(data).hexdigest()[:12]


def _canonical(mime: str, value: Any) -> str:
    """Give a part of the outputs as the text that its digest is made of."""
    if not _is_image(mime):
        return _text(mime, value)
    found = _pixels(_joined(value))
    if found is None:
        return _joined(value).strip()
    size, pixels = found
    return f"{size} {hashlib.sha256(pixels).hexdigest()}"
