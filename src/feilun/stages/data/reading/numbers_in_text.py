"""Columns of text that hold numbers such as 3,14 or 1,234.56 become plain numbers, still as text, and that is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.recipe import Data
from feilun.parts.ops import numerals
from feilun.stages.data import cleaning
from feilun.stages.data.reading import raw

BLOCKS, BLOCK_ROWS = 20, 1000  # looked at to find out how numbers are written; a file may be sorted
LIKELY = 0.5  # share of numbers from which a column is looked at closely: missing values may stand among them
SHOWN = 5
SIMPLE = r"^[+-]?\d+,\d+$"
OPEN = r"^[+-]?[1-9]\d{0,2},\d{3}$"
GROUPED = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"


def plain(found: raw.Raw, data: Data, delimiter: str) -> raw.Raw:
    """The rows with numbers as Python reads them; a note names every column that was rewritten, or that is unclear."""
    missing = frozenset(word.strip() for word in data.missing)
    texts = [name for name in found.table.column_names if pa.types.is_string(found.table.schema.field(name).type)]
    seen = {name: _seen(found.table.column(name), missing) for name in texts}
    agreed = numerals.agreed(seen.values())
    marks = {name: numerals.mark(each, data.decimal, agreed, delimiter) for name, each in seen.items()}
    rewritten = {name: mark for name, mark in marks.items() if mark is not None}
    groups = {name for name, each in seen.items() if each.plain and each.plain == each.values}
    for name in groups & set(rewritten):
        if not _has_only_groups(found.table.column(name)):
            rewritten.pop(name)
    table = found.table
    for name, mark in rewritten.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, _rewritten(table.column(name), mark))
    notes = [_note(found.table, name, mark, seen[name]) for name, mark in list(rewritten.items())[:SHOWN]]
    if len(rewritten) > SHOWN:
        notes.append(f"and {len(rewritten) - SHOWN} columns more were rewritten in the same way.")
    if data.decimal is None:
        notes += [
            f"{name}: some numbers have a decimal comma and some a point, so they stay text. Set data.decimal."
            for name, each in seen.items()
            if each.are_numbers and each.contradicts
        ][:SHOWN]
    if not rewritten and not notes:
        return found
    one = set(rewritten.values())
    return replace(
        found,
        table=table,
        notes=(*found.notes, *notes),
        decimal=one.pop() if len(one) == 1 else None,
        lines=(*found.lines, *_open(found.table, seen, rewritten)),
    )


def _open(table: pa.Table, seen: Mapping[str, numerals.Seen], marks: Mapping[str, str]) -> list[cleaning.Line]:
    """Lines about columns whose numbers may be read in two ways: by what they were read, and the key that decides."""
    lines = []
    for name, mark in marks.items():
        column, other = table.column(name), "." if mark == "," else ","
        groups = seen[name].plain == seen[name].values  # 1.234, which is plain where points are decimal
        against = mark == "," and seen[name].has_points and seen[name].unclear  # data.decimal says so, 3.5 does not
        if not (seen[name].is_open or groups or against):
            continue
        form = pc.match_substring_regex(pc.utf8_trim_whitespace(column), GROUPED if groups else OPEN)
        cells = column.filter(pc.fill_null(form, False))
        if not len(cells):
            continue
        cell = cells[0].as_py().strip()
        read, else_ = numerals.plain(cell, mark), numerals.plain(cell, other)
        why = f"{cell} may be {read} or {else_}"
        why += ", and points are decimal marks beside it" if against else ", and nothing in the column tells"
        key = f'data.decimal: "{other}"'
        lines.append(cleaning.line("unclear numbers", len(cells), f"read as {read}", why, column=name, key=key))
    return lines


def _seen(column: pa.ChunkedArray, missing: frozenset[str]) -> numerals.Seen:
    """How a column's numbers are written, from rows spread over all of it; the first thousand tell words apart."""
    first = _look(column.slice(0, BLOCK_ROWS), missing)
    numbers = first.plain + first.comma + first.point + first.unclear + first.spaced
    if numbers < LIKELY * first.values or len(column) <= BLOCK_ROWS:
        return first
    starts = np.linspace(0, len(column) - BLOCK_ROWS, BLOCKS).astype(int)
    some = pa.chunked_array([chunk for start in starts for chunk in column.slice(start, BLOCK_ROWS).chunks])
    return _look(pa.chunked_array([pc.unique(some)]), missing)


def _look(column: pa.ChunkedArray, missing: frozenset[str]) -> numerals.Seen:
    """numerals.look, with the plain numbers, which are most, counted by Arrow."""
    texts = pc.utf8_trim_whitespace(column.drop_null())
    texts = texts.filter(pc.invert(pc.is_in(texts, value_set=pa.array(["", *missing]))))
    plain = pc.match_substring_regex(texts, f"^(?:{numerals.PLAIN.pattern})$")
    numbers, others = texts.filter(plain), numerals.look(texts.filter(pc.invert(plain)).to_pylist(), missing)
    grouped = pc.match_substring_regex(numbers, GROUPED)
    return replace(
        others,
        values=others.values + len(numbers),
        plain=others.plain + len(numbers),
        dotted=others.dotted + (pc.sum(pc.match_substring(numbers, ".")).as_py() or 0),
        grouped=others.grouped + (pc.sum(grouped).as_py() or 0),
    )


def _has_only_groups(column: pa.ChunkedArray) -> bool:
    """Whether no value is like 12.5, which is no number where the point stands between thousands."""
    pointed = column.filter(pc.fill_null(pc.match_substring(column, "."), False))
    return bool(pc.all(pc.match_substring_regex(pointed, GROUPED)).as_py())


def _rewritten(column: pa.ChunkedArray, mark: str) -> pa.ChunkedArray:
    """Most cells in one sweep of Arrow; those with thousands one by one, each different one once."""
    if mark == ",":
        simple = pc.fill_null(pc.match_substring_regex(column, SIMPLE), False)
        column = pc.if_else(simple, pc.replace_substring(column, ",", "."), column)
    else:
        simple = pa.chunked_array([pa.array(np.zeros(len(column), bool))])
    odd = pc.and_(pc.is_valid(column), pc.invert(simple)).combine_chunks()
    coded = column.filter(odd).combine_chunks().dictionary_encode()
    words = [numerals.plain(word, mark) for word in coded.dictionary.to_pylist()]
    others = pa.array(words, pa.string()).take(coded.indices)
    return pc.replace_with_mask(column.combine_chunks(), odd, others)


def _note(table: pa.Table, name: str, mark: str, seen: numerals.Seen) -> str:
    """Such as: preis: 3,14 is read as 3.14 (data.decimal: ',')."""
    some = (value for value in table.column(name).slice(0, 10_000).to_pylist() if value)
    shown = next((value.strip() for value in some if numerals.plain(value, mark) != value.strip()), "")
    said = f"{shown} is read as {numerals.plain(shown, mark)}" if shown else "numbers in text are read"
    if shown and seen.is_open:
        other = "." if mark == "," else ","
        said += f", and may be {numerals.plain(shown, other)}: that is what data.decimal: '{other}' makes of it"
        return f"{name}: {said}."
    return f"{name}: {said} (data.decimal: '{mark}')."
