"""Whether the first line of a table holds names or is already a row, and what columns are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from feilun.core.errors import DataError
from feilun.parts.ops import numerals

LONGEST_NAME = 200  # characters; longer cells of a first line are text
LONGEST_PLAIN_NAME = 40
_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*([eE][+-]?\d+)?", re.ASCII)


def is_first(records: Sequence[Sequence[str]], missing: Sequence[str] = ()) -> bool:
    """Whether the first record names the columns. records: the first rows of the file, of one width or nearly.

    A name differs from the values below it: words over numbers are names; numbers over numbers are a row, but for
    whole numbers that count up (years, pixels); words that come again in their own columns are values, unless one
    beside them could only be a name.
    """
    first = [cell.strip() for cell in records[0]]
    rest = [record for record in records[1:] if len(record) == len(first)]
    if any(len(cell) > LONGEST_NAME for cell in first):
        return False
    filled = [cell for cell in first if cell]
    if len(filled) > 1 and len(filled) == len(first) and all(map(_is_number, first)) and not _counts_up(first):
        return False
    if len(first) == 1 and _is_number(first[0]):
        return False
    if not rest:
        return True
    numbers, repeated, others = 0, 0, 0
    for place, cell in enumerate(first):
        below = [record[place].strip() for record in rest if record[place].strip()]
        if not cell or cell in missing or not below:
            continue
        if sum(map(_is_number, below)) >= numerals.NEARLY_ALL * len(below):
            if not _is_number(cell):
                return True
            numbers += 1
        elif cell in below:
            repeated += 1
        else:
            others += _is_name(cell)
    if numbers:
        return _counts_up([cell for cell in first if _is_number(cell)])
    return others > 0 or repeated == 0 or len(first) == 1


def names(cells: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """(names, notes): trimmed, blank ones called column_3. Raises DataError where two are the same."""
    found = [cell.strip() or f"column_{place}" for place, cell in enumerate(cells, 1)]
    seen: dict[str, int] = {}
    for place, name in enumerate(found, 1):
        if name in seen:
            raise DataError(
                f"{where} has two columns called {name!r} (the {_nth(seen[name])} and the {_nth(place)}). "
                "Rename one of them.",
                where=where,
                got=name,
                fix="rename one of the columns",
            )
        seen[name] = place
    blank = [f"column_{place}" for place, cell in enumerate(cells, 1) if not cell.strip()]
    some = ", ".join(blank[:5]) + (", ..." if len(blank) > 5 else "")
    one = "column without a name is" if len(blank) == 1 else "columns without a name are"
    return found, [f"{len(blank)} {one} called {some}."] if blank else []


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _is_name(text: str) -> bool:
    """Whether this could name a column: no sentence."""
    return len(text) <= LONGEST_PLAIN_NAME and len(text.split()) <= 4 and text[-1] not in ".!?。！？"


def _counts_up(cells: Sequence[str]) -> bool:
    """Such as 2019, 2020, 2021 or 0, 1, 2: names that happen to be numbers; or a single year."""
    if not all(cell.isascii() and cell.isdigit() for cell in cells):
        return False
    whole = [int(cell) for cell in cells]
    if len(whole) < 2:
        return all(1900 <= year <= 2100 for year in whole)
    return all(after - before == 1 for before, after in pairwise(whole))


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
