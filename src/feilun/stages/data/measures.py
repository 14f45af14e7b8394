"""Numbers written with their unit: $3.50, 12 kg, 85 %. The unit is taken off where nearly all cells have the same."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SEEN = 500  # cells looked at first, evenly spread
NEARLY_ALL = 0.95
MONEY = r"[$€£¥₹₽]|US\$|R\$|(?:USD|EUR|GBP|CHF|CNY|RMB|JPY|INR)\b"
NUMBER = r"(?:(?:0|[1-9]\d*)|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d+)?"
CELL = re.compile(
    rf"^(?P<sign>[+-]?)(?P<before>{MONEY})?\s?(?P<inner>[+-]?)(?P<number>{NUMBER})\s?"
    r"(?P<after>[%‰°µA-Za-zΩ€£¥$\u4e00-\u9fff][\w/²³°%.]{0,11})?$"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A column of numbers as text without their unit. others: cells with another unit or none, left as they were."""

    column: pa.ChunkedArray
    unit: str
    others: int


def stripped(column: pa.ChunkedArray) -> Measured | None:
    """The column without its unit; None where the cells are not numbers with one and the same unit."""
    if not pa.types.is_string(column.type) or column.null_count == len(column):
        return None
    known = np.flatnonzero(column.is_valid().to_numpy())
    seen = known[np.linspace(0, len(known) - 1, min(len(known), SEEN)).astype(np.int64)]
    unit = _shared(column.take(pa.array(seen)).to_pylist())
    if unit is None:
        return None
    bare = pc.extract_regex(column, _form(unit))
    there = bare.is_valid()
    others = len(known) - int(pc.sum(there).as_py() or 0)
    if others > (1 - NEARLY_ALL) * len(known):
        return None
    signs, numbers = (pc.struct_field(bare, name) for name in ("sign", "number"))
    inner = pc.struct_field(bare, "inner")
    plain = pc.binary_join_element_wise(signs, inner, pc.replace_substring(numbers, ",", ""), "")
    return Measured(column=pc.if_else(there, plain, column), unit="".join(unit), others=others)


def _form(unit: tuple[str, str]) -> str:
    """The expression of a cell with this unit before and behind its number."""
    before, after = (f"(?:{re.escape(part)})" for part in unit)
    return rf"^(?P<sign>[+-]?){before}\s?(?P<inner>[+-]?)(?P<number>{NUMBER})\s?{after}$"


def _shared(texts: list[str]) -> tuple[str, str] | None:
    """What nearly all of these texts have before and behind their number, if different numbers stand there."""
    matches = [match for text in texts if (match := CELL.match(text))]
    found = [((match["before"] or "", match["after"] or ""), match["number"]) for match in matches]
    units = Counter(unit for unit, _ in found)
    unit, count = units.most_common(1)[0] if units else (("", ""), 0)
    different = {number for own, number in found if own == unit}
    return unit if any(unit) and count >= NEARLY_ALL * len(texts) and len(different) > 1 else None
