"""Columns of numbers written with their unit: it is taken off where nearly all cells have the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.parts.ops import measured, numerals
from feilun.stages.data import cleaning

SEEN = 500  # cells looked at first, evenly spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A column of numbers as text without their unit. others: cells with another unit or none, left as they were.

    unclear: a cell such as 1,500 kg, where nothing shows whether that is 1500 or 1.5; else nothing.
    """

    column: pa.ChunkedArray
    unit: measured.Unit
    others: int
    unclear: str = ""

    def line(self, name: str) -> cleaning.Line:
        """The line of the cleaning table about the unclear cells."""
        other = "." if self.unit.decimal == "," else ","
        read, else_ = (numerals.plain(self.unclear, mark) for mark in (self.unit.decimal, other))
        why = f"{self.unclear} {self.unit.name} may be {read} or {else_}, and nothing in the column tells"
        key = f'data.decimal: "{other}"'
        return cleaning.line("unclear numbers", len(self.column), f"read as {read}", why, column=name, key=key)


def stripped(column: pa.ChunkedArray, decimal: str | None = None) -> Measured | None:
    """The column without its unit; None where the cells are not numbers with one and the same unit.

    decimal: the mark of the file or of the recipe, tried first.
    """
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return None
    known = np.flatnonzero(column.is_valid().to_numpy())
    places = known[np.linspace(0, len(known) - 1, min(len(known), SEEN)).astype(np.int64)]
    seen = column.take(pa.array(places)).to_pylist()
    marks = (",", ".") if decimal == "," else (".", ",")
    unit = next((unit for mark in marks if (unit := measured.shared(seen, mark))), None)
    if unit is None:
        return None
    bare = pc.extract_regex(column, unit.form)
    others = len(known) - int(pc.sum(bare.is_valid()).as_py() or 0)
    if others > (1 - measured.NEARLY_ALL) * len(known):
        return None
    signs, inner, numbers = (pc.struct_field(bare, name) for name in ("sign", "inner", "number"))
    looks = numerals.look(numbers.unique().to_pylist())
    unclear = next((text for text in numbers.unique().to_pylist() if text and "," in text), "")
    if unit.decimal == ",":
        plain = pc.replace_substring(pc.replace_substring(numbers, ".", ""), ",", ".")
    else:
        plain = pc.replace_substring(numbers, ",", "")
    plain = pc.binary_join_element_wise(signs, inner, plain, "")
    return Measured(
        column=pc.if_else(bare.is_valid(), plain, column),
        unit=unit,
        others=others,
        unclear=unclear if looks.is_open and decimal is None else "",
    )
