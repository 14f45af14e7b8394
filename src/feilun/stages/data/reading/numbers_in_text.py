"""Columns of text that hold numbers such as 3,14 or 1,234.56 become plain numbers, still as text, and that is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.ops import numerals
from feilun.stages.data import cleaning
from feilun.stages.data.reading import raw

BLOCKS, BLOCK_ROWS = 20, 1000  # looked at to find out how numbers are written; a file may be sorted
LIKELY = 0.5  # share of numbers from which a column is looked at closely: missing values may stand among them
SHOWN = 5
SIMPLE = r"^[+-]?\d+,\d+$"
OPEN = r"^[+-]?[1-9]\d{0,2},\d{3}$"
GROUPED = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"


def plain(found: raw.Raw, recipe: Recipe) -> raw.Raw:
    """The rows with numbers as Python reads them; a note names every column that was rewritten, or that is unclear.

    Columns that only groups make look like numbers, such as 100 200 100, stay text unless the recipe says number.
    Columns of 1.234 alone are plain beside a column such as 0.5, whatever the other columns show.
    """
    data, delimiter = recipe.data, found.delimiter
    missing = frozenset(word.strip() for word in data.missing)
    texts = [name for name in found.table.column_names if pa.types.is_string(found.table.schema.field(name).type)]
    seen = {name: _seen(found.table.column(name), missing) for name in texts}
    codes = [name for name, each in seen.items() if each.may_be_codes and not _is_number(name, recipe)]
    seen = {
        name: each if name in codes or not each.may_be_codes else replace(each, joined=0) for name, each in seen.items()
    }
    agreed = numerals.agreed(seen.values())
    marks = {name: numerals.mark(each, data.decimal, agreed, delimiter) for name, each in seen.items()}
    rewritten = {name: mark for name, mark in marks.items() if mark is not None}
    groups = {name for name, each in seen.items() if each.plain and each.plain == each.values}
    points = any(each.are_numbers and each.has_points and not each.comma for each in seen.values())
    mixed = [name for name in seen if name in groups and name in rewritten and points and data.decimal is None]
    for name in sorted(groups & set(rewritten)):
        if name in mixed or not _has_only_groups(found.table.column(name)):
            rewritten.pop(name)
    table = found.table
    for name, mark in rewritten.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, _rewritten(table.column(name), mark))
    notes = [_note(found.table, name, mark, seen[name]) for name, mark in list(rewritten.items())[:SHOWN]]
    if len(rewritten) > SHOWN:
        notes.append(f"and {len(rewritten) - SHOWN} columns more were rewritten in the same way.")
    notes += [_groups(found.table, name, missing) for name in codes if not data.drop or name not in data.drop]
    if data.decimal is None:
        notes += [
            f"{name}: some numbers have a decimal comma and some a point, so they stay text. Set data.decimal."
            for name, each in seen.items()
            if each.are_numbers and each.contradicts
        ][:SHOWN]
    forms = {name: numerals.written(each, rewritten.get(name), agreed or data.decimal) for name, each in seen.items()}
    written = {name: form for name, form in forms.items() if form is not None}
    if not rewritten and not notes:
        return replace(found, written=written)
    one = set(rewritten.values())
    return replace(
        found,
        table=table,
        notes=(*found.notes, *notes),
        decimal=one.pop() if len(one) == 1 and not (points and "," in one) else None,
        lines=(*found.lines, *_open(found.table, seen, {**rewritten, **dict.fromkeys(mixed, ".")})),
        written=written,
    )


def alike(other: raw.Raw, train: raw.Raw, recipe: Recipe) -> raw.Raw:
    """Given rows with their numbers read as the training file's, column by column; what differs is told.

    Raises DataError, naming file, row and cell, for a number that may be two.
    """
    missing = frozenset(word.strip() for word in recipe.data.missing)
    table, notes = other.table, []
    for name in table.column_names:
        column, form = table.column(name), train.written.get(name)
        if form is None or not pa.types.is_string(column.type):
            continue
        coded = column.combine_chunks().dictionary_encode()
        words = coded.dictionary.to_pylist()
        known = [word for word in words if word.strip() not in missing]
        against = next((word for word in known if form.against(word)), None)
        open_ = next((word for word in known if form.depends(word) and (against or form.plain(word) is None)), None)
        if open_ is not None:
            raise _unclear(other.name, column, name, open_, form, against, train.name)
        made = pa.array([word if word.strip() in missing else form.plain(word) or word for word in words], pa.string())
        if not made.equals(coded.dictionary):
            table = table.set_column(table.column_names.index(name), name, made.take(coded.indices))
        if against is not None:
            notes.append(
                f"{name}: {against.strip()} of {other.name} is read as {form.plain(against)}; "
                f"the decimal mark of {train.name} is {form.decimal!r}."
            )
    rest = [name for name in table.column_names if name not in train.written and name in train.table.column_names]
    said = recipe.data.decimal or train.decimal
    data = recipe.data if said is None else recipe.data.model_copy(update={"decimal": said})
    left = plain(replace(other, table=table.select(rest)), recipe.model_copy(update={"data": data})) if rest else other
    for name in rest:
        table = table.set_column(table.column_names.index(name), name, left.table.column(name))
    return replace(other, table=table, notes=(*left.notes, *notes), lines=left.lines)


def _unclear(
    where: str, column: pa.ChunkedArray, name: str, cell: str, form: numerals.Written, against: str | None, train: str
) -> DataError:
    one, other = (numerals.plain(cell, mark) for mark in (form.decimal, "," if form.decimal == "." else "."))
    row = pc.index(column, cell).as_py() + 1
    beside = f", and {against.strip()} stands beside it" if against else ""
    return DataError(
        f"{where}, row {row}: {name} is {cell.strip()!r}, which may be {one} or {other}: the decimal mark of "
        f"{train} is {form.decimal!r}{beside}. Write numbers there as in {train}, without marks between thousands.",
        where=f"{where}, row {row}, {name}",
        expected="a number that can be read in one way only",
        got=cell.strip(),
        fix=f"write the numbers as in {train}",
    )


def _is_number(name: str, recipe: Recipe) -> bool:
    """Whether the recipe says so: by kind, or as the target of a regression."""
    if name in recipe.inputs:
        return recipe.inputs[name].kind == "number"
    return recipe.task == "regression" and recipe.target is not None and name in recipe.target.columns


def _groups(table: pa.Table, name: str, missing: frozenset[str]) -> str:
    cells = table.column(name).slice(0, 10_000).to_pylist()
    shown = next((cell.strip() for cell in cells if cell and cell.strip() not in missing), "")
    return (
        f"{name}: {shown} may be a number with marks between thousands or a code, such as of a phone, and stays text. "
        f"For numbers, set inputs: {{{name}: number}}."
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
        short=others.short
        + (pc.sum(pc.match_substring_regex(numbers, f"^(?:{numerals.SHORT.pattern})$")).as_py() or 0),
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
