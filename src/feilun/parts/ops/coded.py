"""A text column as few different values and a number per row, so that each value is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, final, overload

import numpy as np


@final
class Coded(Sequence[Any]):
    """Reads like a list of str or None. values: different ones; codes: int (N,), the place in values of each row."""

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[str | None], codes: np.ndarray) -> None:
        self.values = tuple(values)
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> str | None: ...
    @overload
    def __getitem__(self, place: slice) -> Coded: ...
    def __getitem__(self, place: int | slice) -> str | Coded | None:
        if isinstance(place, slice):
            return Coded(self.values, self.codes[place])
        value: str | None = self.values[int(self.codes[place])]
        return value

    def __iter__(self) -> Iterator[str | None]:
        values = self.values
        return iter([values[code] for code in self.codes.tolist()])

    def once(self, call: Callable[[list[str | None]], np.ndarray]) -> np.ndarray:
        """Rows of call(values), which gives a row for each value: for every row here that of its value.

        Values that no row has, such as those a slice left behind, are not asked for.
        """
        used, places = np.unique(self.codes, return_inverse=True)
        return np.asarray(call([self.values[code] for code in used.tolist()])[places])

    def counts(self) -> np.ndarray:
        """int64: how many rows have each of `values`."""
        return np.bincount(self.codes, minlength=len(self.values))
