"""Categories: the place of a value in its column's vocabulary, the most frequent first; 0 is unknown or missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.ops import missing
from feilun.parts.ops.coded import Coded


@dataclass(frozen=True, kw_only=True)
class Category:
    """Several category columns as one array, int32 (N, columns).

    most: values kept per column, the most frequent first.  at_least: rows a value needs to be kept.  What is not kept
    is unknown, so that the network learns what unknown means.
    target: what is predicted, one column: class numbers int64 (N,) from 0, and an unknown value is an error.
    missing: data.missing: what is no value.
    """

    kind: ClassVar[str] = "category"

    columns: tuple[str, ...]
    most: int = 10_000
    at_least: int = 1
    target: bool = False
    missing: tuple[str, ...] = ()
    vocabularies: tuple[tuple[str, ...], ...] = ()  # per column, fitted

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "missing", tuple(self.missing))
        object.__setattr__(self, "vocabularies", tuple(map(tuple, self.vocabularies)))

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.vocabularies)

    @property
    def names_the_question(self) -> bool:
        """A target's classes are what is asked, not what is learnt: they are taken from all rows."""
        return self.target

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers each column of `encode` can hold, unknown included: the rows of an embedding."""
        return tuple(len(values) + (not self.target) for values in self.vocabularies)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of a target, by class number."""
        return self.vocabularies[0]

    def fit(self, rows: Rows) -> Category:
        """Learn each column's values. Raises DataError if a column has none."""
        return replace(self, vocabularies=tuple(self._vocabulary(column, rows[column]) for column in self.columns))

    def encode(self, rows: Rows) -> np.ndarray:
        """int32 (N, columns), or for a target int64 (N,). Raises DataError for a list, or a target's unknown value."""
        if self.target:
            return self._classes(self.columns[0], rows[self.columns[0]])
        encoded = np.zeros((len(rows[self.columns[0]]), len(self.columns)), np.int32)
        for number, (column, places) in enumerate(zip(self.columns, self._places, strict=True)):
            encoded[:, number] = self._looked_up(places, column, rows[column])
        return encoded

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @cached_property
    def _places(self) -> list[dict[str | None, int]]:
        start = 0 if self.target else 1
        return [{value: place for place, value in enumerate(values, start)} for values in self.vocabularies]

    def _vocabulary(self, column: str, values: Sequence[Any]) -> tuple[str, ...]:
        counts = self._counted(column, values)
        if not counts:
            raise DataError(
                f"Column {column!r} has no value in {len(values):,} training rows. Fill it, or add it to data.drop.",
                where=column,
                expected="at least one value",
                got="none",
                fix=f"data.drop: [{column}]",
            )
        if self.target:
            return in_order(counts)
        ranked = sorted(counts, key=lambda value: (-counts[value], value))
        return tuple(value for value in ranked[: self.most] if counts[value] >= self.at_least)

    def _classes(self, column: str, values: Sequence[Any]) -> np.ndarray:
        found = self._looked_up(self._places[0], column, values, unknown=-1)
        if len(found) and found.min() < 0:
            raise unknown_label(column, values[int(np.argmax(found < 0))], self.labels)
        return found.astype(np.int64)

    def _counted(self, column: str, values: Sequence[Any]) -> Counter[str]:
        """How many rows have each value; missing ones are not counted."""
        if not isinstance(values, Coded):
            return Counter(value for value in self._spelled(column, values) if value is not None)
        counts: Counter[str] = Counter()
        for value, count in zip(self._spelled(column, values.values), values.counts().tolist(), strict=True):
            if value is not None and count:
                counts[value] += count
        return counts

    def _looked_up(
        self, places: Mapping[str | None, int], column: str, values: Sequence[Any], unknown: int = 0
    ) -> np.ndarray:
        """int32 (N,): the place of each value."""
        different = values.values if isinstance(values, Coded) else values
        found = np.array(
            [
                places[value]
                if isinstance(value, str) and value in places
                else _place(places, self._spelled(column, [value])[0], unknown)
                for value in different
            ],
            np.int32,
        )
        return found[values.codes] if isinstance(values, Coded) and len(found) else found

    def _spelled(self, column: str, values: Sequence[Any]) -> list[str | None]:
        """Values as they are written; None for those that are listed as missing."""
        found, absent = spelled(column, values), missing.of(self.missing)
        return [None if absent.says(value) else value for value in found] if absent.words else found


FEATURE = Category
_WHOLE, _FRACTION = re.compile(r"-?\d+\.0+", re.ASCII), re.compile(r"\.0+$", re.ASCII)


def spelled(column: str, values: Sequence[Any]) -> list[str | None]:
    """Values as they are written: True as "true", 3.0 as "3", None and "" as None. Raises DataError for a list."""
    return [(value or None) if isinstance(value, str) else _spelled(column, value) for value in values]


def in_order(labels: Counter[str]) -> tuple[str, ...]:
    """Labels in the order people expect: whole numbers by size, else alphabetically."""
    whole = all(label.lstrip("-").isdecimal() and label.lstrip("-").isascii() for label in labels)
    return tuple(sorted(labels, key=(lambda label: (int(label), label)) if whole else None))


def unknown_label(column: str, value: Any, labels: Sequence[str]) -> DataError:
    """The error for a target value that is none of the known labels."""
    shown = ", ".join(labels[:30]) + (", ..." if len(labels) > 30 else "")
    absent = value is None or value == ""
    return DataError(
        f"Target {column!r} is missing in a row; it must be one of: {shown}."
        if absent
        else f"Label {value!r} of {column!r} is not one of: {shown}. Correct the row, or train a model that knows it.",
        where=column,
        expected=shown,
        got="missing" if absent else str(value),
        fix="leave the row out" if absent else "correct the label",
    )


def _place(places: Mapping[str | None, int], value: str | None, unknown: int) -> int:
    """Where a value stands. One that is not known as it is written may be known as another source writes it.

    Files are read with spaces off and 2.0 as 2; requests come as they are, and truths as true, True or TRUE.
    """
    place = places.get(value)
    if place is None and value is not None:
        plain = value.strip()
        plain = _FRACTION.sub("", plain) if _WHOLE.fullmatch(plain) else plain
        others: tuple[str, ...] = (plain,)
        if plain.lower() in ("true", "false"):
            others = (plain.lower(), plain.title(), plain.upper())
        place = next((places[other] for other in others if other in places), None)
    return unknown if place is None else place


def _spelled(column: str, value: Any) -> str | None:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, str | int | float):
        return str(value) or None
    raise DataError(
        f"Column {column!r} holds one category per row; {value!r:.60} is not one. Give text or a number, or null.",
        where=column,
        expected="text, a number, true, false or null",
        got=f"{value!r:.60}",
        fix="give one value per row",
    )
