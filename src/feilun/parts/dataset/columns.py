"""Columns of Arrow as features read them: numbers as arrays, repeating texts as Coded, everything else as lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.ops.coded import Coded

if TYPE_CHECKING:
    import pyarrow as pa

REPEATS = 4  # rows per different value from which texts are coded


def values_of(column: pa.ChunkedArray, index: np.ndarray | None = None) -> Sequence[Any]:
    """All values, or those of these rows; in an array of floats NaN is missing, elsewhere None."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind) or (pa.types.is_integer(kind) and not column.null_count):
        numbers: Any = column.to_numpy()
        chosen: Sequence[Any] = numbers if index is None else numbers[index]
        return chosen
    whole = column.combine_chunks() if index is None else column.take(pa.array(index)).combine_chunks()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = whole.dictionary_encode()
        if len(coded.dictionary) * REPEATS <= len(whole):
            missing = len(coded.dictionary)
            codes = coded.indices.fill_null(missing).to_numpy()
            return Coded([*coded.dictionary.to_pylist(), *([None] if coded.null_count else [])], codes)
    plain: Sequence[Any] = whole.to_pylist()
    return plain


class Taken(Mapping[str, Sequence[Any]]):
    """{column: values} of some rows, each taken out of the table when it is asked for, and not all at once."""

    def __init__(self, table: pa.Table, columns: Sequence[str], index: np.ndarray) -> None:
        self.table, self.columns, self.index = table, columns, index

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self.columns:
            raise KeyError(name)
        return values_of(self.table.column(name), self.index)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)
