"""Labels: what a classification predicts, one of several (class number) or any number of them (0/1 each)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.features.category import in_order, spelled, unknown_label
from feilun.parts.ops.coded import Coded

YES = {"1", "true", "yes", "y", "t"}
NO = {None, "0", "false", "no", "n", "f"}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """One column with one label a row: class numbers, int64 (N,). Otherwise 0/1 of every label, float32 (N, labels).

    columns: several columns are one label each (1, true, yes or their opposites).  separator: what stands between the
    labels of one cell; a cell may also be a list.  An empty cell or list then means none of them.
    labels: given, or learnt; whole numbers by size, else alphabetically.
    """

    kind: ClassVar[str] = "labels"
    names_the_question: ClassVar[bool] = True  # the labels are what is asked: they are taken from all rows

    columns: tuple[str, ...]
    separator: str | None = None
    labels: tuple[str, ...] = ()
    several: bool = False  # whether a row may have several; found out when fitting

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "labels", tuple(map(str, self.labels)))
        object.__setattr__(self, "several", self.several or len(self.columns) > 1 or self.separator is not None)

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.labels)

    def fit(self, rows: Rows) -> Labels:
        """Learn the labels. Raises DataError if there are none, or if the only column says the same in every row."""
        if len(self.columns) > 1:
            return replace(self, labels=self.columns)
        column = self.columns[0]
        cells = rows[column]
        rows = {column: cells.values if isinstance(cells, Coded) else cells}  # each different one once
        several = self.several or any(isinstance(value, list | tuple) for value in rows[column])
        fitted = replace(self, several=several)
        counts = Counter(label for row in fitted.read(rows) for label in row)
        if len(counts) < (1 if several else 2):
            only = ", ".join(counts) or "none"
            raise DataError(
                f"Target {column!r} must have at least two different labels; the rows have: {only}.",
                where=column,
                expected="at least two labels",
                got=only,
                fix="choose another target, or add rows of another class",
            )
        return replace(fitted, labels=in_order(counts))

    def encode(self, rows: Rows) -> np.ndarray:
        """int64 (N,) or float32 (N, labels). Raises DataError for a missing or unknown label."""
        cells = rows[self.columns[0]]
        if isinstance(cells, Coded) and len(self.columns) == 1:
            return cells.once(lambda values: self.encode({self.columns[0]: values}))
        found = self.read(rows)
        if not self.several:
            return np.array([self._place(row[0] if row else None) for row in found], dtype=np.int64)
        encoded = np.zeros((len(found), len(self.labels)), np.float32)
        for number, row in enumerate(found):
            encoded[number, [self._place(label) for label in row]] = 1.0
        return encoded

    def read(self, rows: Rows) -> list[list[str]]:
        """Each row's labels as text; a missing single label is an empty list."""
        if len(self.columns) > 1:
            flags = [_flags(column, rows[column]) for column in self.columns]
            named = [zip(self.columns, row, strict=True) for row in zip(*flags, strict=True)]
            return [[column for column, flag in row if flag] for row in named]
        column = self.columns[0]
        if self.several:
            cells = [self._split(value) for value in rows[column]]
            return [[text for text in spelled(column, cell) if text] for cell in cells]
        return [[] if text is None else [text] for text in spelled(column, rows[column])]

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.labels)}

    def _place(self, label: str | None) -> int:
        place = self._places.get(label) if label is not None else None
        if place is None:
            raise unknown_label(self.columns[0], label, self.labels)
        return place

    def _split(self, value: Any) -> Sequence[Any]:
        if isinstance(value, list | tuple | np.ndarray):
            return list(value)
        if isinstance(value, str) and self.separator:
            return [part.strip() for part in value.split(self.separator)]
        return [] if value is None else [value]


FEATURE = Labels


def _flags(column: str, values: Sequence[Any]) -> list[bool]:
    texts = [text.lower() if text else None for text in spelled(column, values)]
    for text, value in zip(texts, values, strict=True):
        if text not in YES and text not in NO:
            raise DataError(
                f"Target {column!r} is one label of several, so it must be 0 or 1; {value!r:.60} is neither. "
                "Correct the row, or give one target column with a separator.",
                where=column,
                expected="0 or 1",
                got=f"{value!r:.60}",
                fix="correct the value",
            )
    return [text in YES for text in texts]
