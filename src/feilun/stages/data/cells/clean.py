"""From cells as they came to values of a kind: whitespace and missing values first, then numbers, texts, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError
from feilun.parts.features import time as forms
from feilun.parts.features.sequence import steps
from feilun.parts.ops import missing as absences
from feilun.parts.ops import numerals
from feilun.parts.ops.threads import in_order
from feilun.stages.data import disk
from feilun.stages.data.cells import blanks, dates

NUMBER = f"^(?:{numerals.PLAIN.pattern})$"
NOT_NUMBERS = 0.05  # a column of numbers may hold this share of words; they count as missing, and that is said
SEEN = 1000
STEPS = pa.list_(pa.list_(pa.float64()))
WHOLE = r"^[+-]?(0|[1-9]\d{0,14})(\.0+)?$"
CODED_ZERO = f"^{numerals.CODED_ZERO.pattern}"
EXACT = 2**53  # from here on float64 leaves whole numbers out: two names of 19 digits become one
LONG = r"^[+-]?[1-9]\d{15,}$"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cleaned:
    """A table in which every column is of its kind, and what must be said about it."""

    table: pa.Table
    notes: tuple[str, ...] = ()


def strip(table: pa.Table, missing: Sequence[str]) -> pa.Table:
    """Text without space around it, and null for missing values: NaN, infinity, and what `missing` lists.

    A number among the words, such as -999, is also meant where numbers are typed or written -999.0, and a day, such as
    1900-01-01, where dates are typed or written in another way.
    """
    absent = absences.of(tuple(missing))
    keeps = disk.is_large(table.nbytes)

    def stripped(column: pa.ChunkedArray) -> pa.ChunkedArray:
        made = _stripped(column, absent)
        return disk.kept(made, column) if keeps else made

    columns = in_order(stripped, table.columns)
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


def to_kinds(
    table: pa.Table,
    kinds: Mapping[str, str],
    targets: Sequence[str],
    where: str,
    day_first: Mapping[str, bool | None] | None = None,
    files: Sequence[tuple[str, int]] = (),
) -> Cleaned:
    """Columns of `kinds` in their Arrow type; others as they are.

    number: float64; category and text: string; image: binary; time: ISO text; sequence: lists of steps of numbers.
    day_first: {column: what 01/02/2020 means there}, where the recipe says it.  files: (name, rows) of the files whose
    rows these are, in turn, where there is more than `where`.
    Raises DataError naming column, row and value where a value is not of its kind.
    """

    keeps = disk.is_large(table.nbytes)

    def of_kind(name: str) -> tuple[pa.ChunkedArray, str]:
        column, words, kind = table.column(name), "", kinds.get(name)
        if kind == "number":
            column, words = _numbers(column, name, files or ((where, len(column)),), strict=name in targets)
        elif kind in ("category", "labels", "text"):
            column = texts(column, whole_numbers=kind != "text")
        elif kind == "image":
            column = _images(column, name, where)
        elif kind == "time":
            column, words = _times(column, name, where, (day_first or {}).get(name))
        elif kind == "sequence":
            column = _sequences(column, name)
        column = disk.kept(column, table.column(name)) if keeps else column
        return column, f"{name}: {words}" if words else ""

    made = list(in_order(of_kind, table.column_names))
    columns = {name: column for name, (column, _) in zip(table.column_names, made, strict=True)}
    return Cleaned(table=pa.table(columns), notes=tuple(note for _, note in made if note))


def number_share(column: pa.ChunkedArray) -> tuple[float, list[str]]:
    """Share of the values that are numbers, and up to three of those that are not.

    Codes such as 007 are not, nor is a column of whole numbers that float64 does not hold exactly: those are names.
    """
    known = column.drop_null()
    if are_names(known):
        return 0.0, []
    if not is_text(known.type) or len(known) == 0:
        return float(is_numeric(known.type)), []
    if len(known) > SEEN and not pc.any(_is_number(spread(known, SEEN))).as_py():
        return 0.0, []  # a thousand words from all over the column: not a column of numbers
    matches = _is_number(known)
    others = pc.unique(known.filter(pc.invert(matches))).slice(0, 3).to_pylist()
    return pc.mean(matches.cast(pa.float64())).as_py(), others


def are_names(column: pa.ChunkedArray) -> bool:
    """Whether more than a few of these cells are whole numbers beyond 2^53, as numbers or as text."""
    if pa.types.is_decimal(column.type) and column.type.scale <= 0:
        column = column.cast(pa.string())
    if pa.types.is_integer(column.type) and column.type.bit_width == 64:
        beyond = pc.or_(pc.greater(column, EXACT), pc.less(column, -EXACT if column.type != pa.uint64() else 0))
    elif is_text(column.type):
        long = column.filter(pc.greater_equal(pc.binary_length(column), 16))
        if len(long) <= NOT_NUMBERS * len(column):
            return False
        digits = pc.replace_substring_regex(long.filter(pc.match_substring_regex(long, LONG)), "^[+-]", "")
        beyond = pc.or_(pc.greater(pc.binary_length(digits), 16), pc.greater(digits, str(EXACT)))
        return (pc.sum(beyond).as_py() or 0) > NOT_NUMBERS * len(column)
    else:
        return False
    return (pc.mean(beyond.cast(pa.float64())).as_py() or 0.0) > NOT_NUMBERS


def spread(column: pa.ChunkedArray, most: int) -> pa.ChunkedArray:
    """At most so many cells, evenly spread: a file may be sorted."""
    if len(column) <= most:
        return column
    return column.take(pa.array(np.linspace(0, len(column) - 1, most).astype(np.int64)))


def texts(column: pa.ChunkedArray, *, whole_numbers: bool) -> pa.ChunkedArray:
    """As text. whole_numbers: 1.0 and 1 are one class, written 1; booleans are written true and false."""
    if is_text(column.type):
        return _without_fraction(column) if whole_numbers else column
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        return column
    if is_numeric(column.type) and not pa.types.is_integer(column.type):
        whole = pc.all(pc.equal(pc.floor(column), column)).as_py()
        fits = pc.max(pc.abs(column.cast(pa.float64(), safe=False))).as_py()
        column = column.cast(pa.int64()) if whole and fits is not None and fits < EXACT else column
    return column.cast(pa.string())


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column holds numbers; booleans are not."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _stripped(column: pa.ChunkedArray, absent: absences.Missing) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        column = blanks.stripped(column, pa.array(sorted(absent.words), pa.string()))
        return _without_days(_without_numbers(column, absent), absent)
    if pa.types.is_floating(column.type):
        column = _finite(column)
    return _without_days(_without_numbers(column, absent), absent)


def _without_numbers(column: pa.ChunkedArray, absent: absences.Missing) -> pa.ChunkedArray:
    """Null where a number is listed as missing, in a column of numbers or of text."""
    if not absent.numbers or not (is_numeric(column.type) or is_text(column.type)):
        return column
    if is_text(column.type):
        coded = column.combine_chunks().dictionary_encode()
        listed = [absent.says(word) for word in coded.dictionary.to_pylist()]
        bad = pa.chunked_array([pa.array(listed, pa.bool_()).take(coded.indices)])
    else:
        bad = pc.is_in(column.cast(pa.float64(), safe=False), value_set=pa.array(sorted(absent.numbers)))
    return pc.if_else(pc.fill_null(bad, False), pa.scalar(None, column.type), column)


def _without_days(column: pa.ChunkedArray, absent: absences.Missing) -> pa.ChunkedArray:
    """Null where a day is listed as missing, in a column of dates."""
    words = sorted(absent.words)
    if not any(forms.DAY_WORD.fullmatch(word) for word in words):
        return column
    if not pa.types.is_temporal(column.type) and not (is_text(column.type) and dates.look_so(column)):
        return column
    bad = forms.absent_days(dates.read(column).times, words)
    return pc.if_else(pa.array(bad), pa.scalar(None, column.type), column)


def _numbers(
    column: pa.ChunkedArray, name: str, files: Sequence[tuple[str, int]], *, strict: bool
) -> tuple[pa.ChunkedArray, str]:
    """float64, and a note if words were counted as missing. strict: no word is allowed (a target)."""
    if pa.types.is_boolean(column.type) or is_numeric(column.type):
        return column.cast(pa.float64(), safe=False), ""
    note = ""
    if is_text(column.type):
        try:
            return _finite(column.cast(pa.float64())), ""
        except pa.ArrowInvalid:
            pass
        good = pc.match_substring_regex(column, NUMBER)
        bad = column.filter(pc.fill_null(pc.invert(good), False))
        share = len(bad) / max(1, len(column) - column.null_count)
        if not strict and share <= NOT_NUMBERS:
            shown = ", ".join(repr(word) for word in pc.unique(bad).slice(0, 3).to_pylist())
            note = f"{len(bad)} values are no numbers ({shown}) and count as missing"
            column = pc.if_else(pc.fill_null(good, False), column, pa.scalar(None, pa.string()))
            return _finite(column.cast(pa.float64())), note
        row, value = pc.index(pc.fill_null(good, True), False).as_py(), bad[0].as_py()
    else:
        row, value = 0, column.drop_null()[0].as_py() if len(column.drop_null()) else None
    short, at = str(value)[:60], 0
    while row >= files[at][1] and at < len(files) - 1:
        row, at = row - files[at][1], at + 1
    where = files[at][0]
    fix = "predict it as a category (task: classification)" if strict else f"set inputs: {{{name}: category}}"
    raise DataError(
        f"{where}, row {row + 1}: {name} should be a number and is {short!r}. "
        f"Correct it, list it in data.missing, or {fix}.",
        where=f"{where}, row {row + 1}, {name}",
        expected="a number",
        got=short,
        fix=f"correct it, list it in data.missing, or {fix}",
    )


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    finite = pc.is_finite(column)
    if pc.all(finite).as_py() is not False:
        return column
    return pc.if_else(finite, column, pa.scalar(None, column.type))


def _images(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column
    raise DataError(
        f"{where}: column {name} should hold pictures and holds {column.type}. "
        "Give a folder of pictures, or bytes of encoded pictures.",
        where=f"{where}, {name}",
        expected="pictures",
        got=str(column.type),
        fix="give a folder of pictures",
    )


def _times(column: pa.ChunkedArray, name: str, where: str, day_first: bool | None) -> tuple[pa.ChunkedArray, str]:
    """ISO text, and a note if there were dates that could not be read. Raises DataError if none could be."""
    if not is_text(column.type) and not pa.types.is_temporal(column.type):
        raise _no_times(column, name, where, str(column.type))
    found = dates.read(column, day_first)
    if found.unread and found.lost == len(column) - column.null_count:
        raise _no_times(column, name, where, found.unread[0][:60])
    note = f"{found.lost:,} dates cannot be read ({', '.join(found.unread)}) and count as missing" if found.lost else ""
    return dates.to_iso(found.times), note


def _no_times(column: pa.ChunkedArray, name: str, where: str, got: str) -> DataError:
    return DataError(
        f"{where}: column {name} should hold dates or times, and {got!r} cannot be read as one. Write 2024-01-31 or "
        f"2024-01-31 10:30:00, or set inputs: {{{name}: category}}.",
        where=f"{where}, {name}",
        expected="dates or times",
        got=got,
        fix="write 2024-01-31",
    )


def _sequences(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """list<list<double>>; a list of numbers has steps of one. Raises DataError for a cell that is neither."""
    if column.type == STEPS:
        return column
    cells = [None if cell is None else steps(name, cell) for cell in column.to_pylist()]
    listed = [cell if cell is None else [[*map(_known, step)] for step in cell.tolist()] for cell in cells]
    return pa.chunked_array([pa.array(listed, STEPS)])


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _is_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    coded = pc.match_substring_regex(column, CODED_ZERO)
    try:
        column.cast(pa.float64())  # several times faster than the expression, where it goes through
    except pa.ArrowInvalid:
        return pc.and_(pc.match_substring_regex(column, NUMBER), pc.invert(coded))
    return pc.invert(coded)


def _without_fraction(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """ "1.0" as "1" in a column of whole numbers: one file may write 1.0 and another 1."""
    if pc.all(pc.match_substring_regex(column.slice(0, SEEN), WHOLE)).as_py() is False:
        return column  # most columns of words show it early
    different = pc.unique(column)
    if not pc.all(pc.match_substring_regex(different, WHOLE)).as_py():
        return column
    has_fraction = pc.any(pc.match_substring(different, ".")).as_py()
    return pc.replace_substring_regex(column, r"\.0+$", "") if has_fraction else column
