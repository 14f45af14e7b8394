"""Words such as NA and None that count as missing and may be values: Namibia's code, the class without an illness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.recipe import Data
from feilun.stages.data.cells import clean

USUAL = frozenset(Data.model_fields["missing"].default) - {""}
SHARE = 0.01  # of the rows, from which one word alone for what is missing is more than a few gaps
LEAST = 3  # rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """The only usual word for missing in a column, in how many rows, and the recipe line by which it is a value."""

    text: str
    rows: int
    key: str


def of(came: pa.Table | None, name: str, missing: Sequence[str]) -> Word | None:
    """The word that may be a value, or None: there is none, several of them, or in hardly a row.

    came: the table before missing values were null.  missing: data.missing.
    """
    if came is None or name not in came.column_names:
        return None
    column = came.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    listed = USUAL.intersection(missing)
    if not clean.is_text(column.type) or not listed:
        return None
    words = pc.utf8_trim_whitespace(column)
    found = pc.value_counts(words.filter(pc.is_in(words, value_set=pa.array(sorted(listed), words.type)))).to_pylist()
    if len(found) != 1 or found[0]["counts"] < max(LEAST, SHARE * len(column)):
        return None
    text = found[0]["values"]
    rest = json.dumps([other for other in missing if other != text], ensure_ascii=False)
    return Word(text=text, rows=found[0]["counts"], key=f"data.missing: {rest}")
