"""Does what was asked fit the bundle? Columns of rows and options of answering, with the nearest name when not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from feilun.core.errors import DataError


def rows(given: Sequence[Any], columns: Iterable[str]) -> None:
    """Raises DataError unless every row is an object with exactly these columns; null stands for a missing value."""
    expected = frozenset(columns)
    for number, row in enumerate(given):
        where = f"rows[{number}]"
        if not isinstance(row, Mapping):
            raise DataError(
                f"{where} is {_kind(row)}, not an object of columns.",
                where=where,
                expected=", ".join(sorted(expected)),
                got=_kind(row),
                fix="send every row as {column: value}",
            )
        if row.keys() != expected:
            raise _columns(row, expected, where)


def options(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raises DataError unless every option is one of the task's and of the type of its default."""
    for name, value in given.items():
        where = f"options.{name}"
        if name not in known:
            raise DataError(
                f"There is no option {name!r} here.{_nearest(name, known)}",
                where=where,
                expected=", ".join(sorted(known)) or "no options",
                got=str(name),
                fix=f"use one of: {', '.join(sorted(known))}" if known else "leave options out",
            )
        if not _fits(value, known[name]):
            raise DataError(
                f"Option {name} is {_kind(value)}; expected {_kind(known[name])}, such as {known[name]!r}.",
                where=where,
                expected=_kind(known[name]),
                got=repr(value)[:100],
            )


def _columns(row: Mapping[Any, Any], expected: frozenset[str], where: str) -> DataError:
    unknown, missing = sorted(map(str, set(row) - expected)), sorted(expected - set(row))
    words = []
    if unknown:
        near = _nearest(unknown[0], missing or expected)
        words.append(f"{where} has a column {unknown[0]!r} that this model does not know.{near}")
    if missing:
        words.append(f"{where} has no column {missing[0]!r}; send null if the value is not known.")
    return DataError(
        " ".join(words),
        where=f"{where}.{unknown[0] if unknown else missing[0]}",
        expected=", ".join(sorted(expected)),
        got=", ".join(sorted(map(str, row)))[:500],
        fix=" ".join(words[1:]) or words[0],
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def _fits(value: Any, default: Any) -> bool:
    """Of the default's type; a whole number also serves as a float, a default of None takes any plain value."""
    if default is None:
        return value is None or isinstance(value, str | int | float | bool)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float) and math.isfinite(value)
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple)
    return isinstance(value, type(default))


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", tuple: "a list", str: "text", bool: "true or false", type(None): "null"}
    names[int] = "a whole number"
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
