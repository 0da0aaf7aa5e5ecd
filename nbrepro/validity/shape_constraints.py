"""The constraint components of SHACL that shapes.ttl uses (W3C Recommendation, 20 July 2017)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from nbrepro.errors import DocumentError
from nbrepro.model import Value
from nbrepro.stores.turtle import Literal, Name
from nbrepro.validity.described import Described, Iri, Values
from nbrepro.validity.times import find_instant
from nbrepro.vocabulary import TIMES, XSD, property_iri

Test = Callable[[Described, str, Values], Sequence[str]]
"""Lists why the values of a node break a constraint, once for each result that SHACL counts."""

_Terms = Sequence[Name | Literal]

_TIME_IRIS = frozenset(property_iri(name) for name in TIMES)
_TYPES: Mapping[str, type] = {
    XSD + "string": str, XSD + "integer": int, XSD + "double": float, XSD + "boolean": bool,
}  # fmt: skip


def _min_count(_path: str, terms: _Terms) -> Test:
    least = int(_text(terms[0]))

    def test(_described: Described, _focus: str, values: Values) -> Sequence[str]:
        return () if len(values) >= least else [f"{len(values)} values, at least {least} wanted"]

    return test


def _max_count(_path: str, terms: _Terms) -> Test:
    most = int(_text(terms[0]))

    def test(_described: Described, _focus: str, values: Values) -> Sequence[str]:
        return () if len(values) <= most else [f"{len(values)} values, at most {most} wanted"]

    return test


def _datatype(path: str, terms: _Terms) -> Test:
    wanted = _text(terms[0])
    holds_time = path in _TIME_IRIS
    if wanted != XSD + "dateTime" and wanted not in _TYPES:
        raise DocumentError(f"{wanted}: no value of the graph has this datatype")

    def fits(value: Value) -> bool:
        if holds_time or wanted == XSD + "dateTime":
            is_time = holds_time and type(value) is str and find_instant(value) is not None
            return is_time and wanted == XSD + "dateTime"
        return type(value) is _TYPES[wanted]

    return _each(fits, f"is no {wanted.rpartition('#')[2]}")


def _pattern(_path: str, terms: _Terms) -> Test:
    pattern = re.compile(_text(terms[0]))
    return _each(lambda v: pattern.search(str(v)) is not None, f"does not match {pattern.pattern}")


def _min_inclusive(_path: str, terms: _Terms) -> Test:
    least = float(_text(terms[0]))

    def fits(value: Value) -> bool:
        return type(value) in (int, float) and float(value) >= least

    return _each(fits, f"is not at least {least:g}")


def _in(_path: str, terms: _Terms) -> Test:
    allowed = {(type(value), value) for value in map(_value, terms)}
    return _each(lambda v: (type(v), v) in allowed, "is none of the allowed values")


def _class(_path: str, terms: _Terms) -> Test:
    wanted = _text(terms[0])

    def test(described: Described, _focus: str, values: Values) -> Sequence[str]:
        return [
            f"{value} is no {wanted.rpartition('#')[2]}"
            for value in values
            if not (isinstance(value, Iri) and wanted in described.classes(value))
        ]

    return test


def _has_value(_path: str, terms: _Terms) -> Test:
    wanted = _value(terms[0])

    def test(_described: Described, _focus: str, values: Values) -> Sequence[str]:
        found = any((type(value), value) == (type(wanted), wanted) for value in values)
        return () if found else [f"{wanted} is not among the values"]

    return test


def _node_kind(_path: str, terms: _Terms) -> Test:
    wanted = _text(terms[0])
    if not wanted.endswith("#IRI"):
        raise DocumentError(f"{wanted}: only sh:IRI is known of sh:nodeKind")
    return _each(lambda value: isinstance(value, Iri), "is no IRI")


def _less_than_or_equals(_path: str, terms: _Terms) -> Test:
    other = _text(terms[0])

    def test(described: Described, focus: str, values: Values) -> Sequence[str]:
        return [
            f"{value} is after {bound}"
            for bound in (described.reader(other)(focus) if values else ())
            for value in values
            if not _ordered(value, bound)
        ]

    return test


def _ordered(value: Value, bound: Value) -> bool:
    first, second = find_instant(str(value)), find_instant(str(bound))
    return first is not None and second is not None and first <= second


def _each(fits: Callable[[Value], bool], why: str) -> Test:
    def test(_described: Described, _focus: str, values: Values) -> Sequence[str]:
        return [f"{value!r} {why}" for value in values if not fits(value)]

    return test


def _value(term: Name | Literal) -> Value:
    if isinstance(term, Name):
        return Iri(term)
    convert = _TYPES.get(term.datatype)
    if convert is None or convert is bool:
        raise DocumentError(f"{term.text}: no value of this datatype can be compared")
    converted: Value = convert(term.text)
    return converted


def _text(term: Name | Literal) -> str:
    return term.text if isinstance(term, Literal) else str(term)


COMPONENTS: Mapping[str, Callable[[str, _Terms], Test]] = {
    "minCount": _min_count,
    "maxCount": _max_count,
    "datatype": _datatype,
    "pattern": _pattern,
    "minInclusive": _min_inclusive,
    "in": _in,
    "class": _class,
    "hasValue": _has_value,
    "nodeKind": _node_kind,
    "lessThanOrEquals": _less_than_or_equals,
}
"""What makes a test of a component's values, by the parameter's local name."""
