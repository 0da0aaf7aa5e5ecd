"""A comparison as JSON holds it."""

from __future__ import annotations

import dataclasses
from typing import Any

from nbrepro.compare.values import CellPair, Comparison, Difference, Effect, Portrait


def as_record(found: Comparison) -> dict[str, Any]:
    """Give a comparison as nested dictionaries; the README names the keys."""
    first = found.first_divergence
    return {
        "equal": found.equal,
        "a": _run(found.a),
        "b": _run(found.b),
        "first_divergence": None if first is None else _difference(first),
        "differences": [_difference(difference) for difference in found.differences],
        "unused": [_difference(difference) for difference in found.unused],
        "cells": [_cell(pair) for pair in found.cells],
        "unknown": list(found.unknown),
    }


def _run(run: Portrait) -> dict[str, Any]:
    names = ("run", "notebook", "status", "host", "platform", "python", "cpus", "parameters")
    return {name: getattr(run, name) for name in names}


def _difference(difference: Difference) -> dict[str, Any]:
    names = ("kind", "cell", "cell_b", "subject", "a", "b", "because", "certainty")
    effects = [_effect(effect) for effect in difference.effects]
    return {name: getattr(difference, name) for name in names} | {"effects": effects}


def _effect(effect: Effect) -> dict[str, Any]:
    return {name: getattr(effect, name) for name in ("cell", "what", "subject", "a", "b")}


def _cell(pair: CellPair) -> dict[str, Any]:
    record = dataclasses.asdict(pair)
    record["causes"] = list(pair.causes)
    record["effects"] = [_effect(effect) for effect in pair.effects]
    return {"execution": record.pop("a"), "execution_b": record.pop("b"), **record}
