"""Rows of delimited text to answer: found out and cleaned as for training, so that 3,14 is the same number in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.core.recipe import Data, Recipe
from feilun.parts.delimited import spelling as spellings
from feilun.parts.ops import numerals

NUMBERED = ("number", "category")  # kinds whose values training read as numbers where they look like them


def rows(path: Path, signature: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> Iterator[dict[str, str | None]]:
    """Every row; None for missing values, numbers as Python reads them. Raises DataError naming row and value."""
    spelling = _spelling(path, tuple(signature), recipe)
    missing = frozenset(word.strip() for word in recipe.data.missing)
    marks = _marks(path, spelling, signature, recipe.data)
    for at, record in enumerate(spellings.rows(path, spelling), 1):
        if len(record) != len(spelling.names):
            raise spellings.uneven(f"{path} row {at}", record, len(spelling.names), spelling.delimiter)
        cells = {name: cell.strip() for name, cell in zip(spelling.names, record, strict=True)}
        known = {name: None if cell in missing else cell for name, cell in cells.items()}
        for name, mark in marks.items():
            cell = known[name]
            known[name] = None if cell is None else numerals.plain(cell, mark)
        yield known


def _spelling(path: Path, wanted: tuple[str, ...], recipe: Recipe) -> spellings.Spelling:
    """How the file is written; what the recipe says holds for the training file, so that others may differ."""
    said = recipe.data.model_copy(update={"columns": None})
    if recipe.data.columns is not None and said.header is None:
        said = said.model_copy(update={"header": False})
    free = Data(missing=said.missing)
    try:
        found = spellings.of(path, said, wanted=wanted)
    except DataError:
        found = spellings.of(path, free, wanted=wanted)
    if recipe.data.columns is None or found.has_header:
        if set(wanted) <= set(found.names) or said == free:
            return found
        other = spellings.of(path, free, wanted=wanted)
        return other if set(wanted) <= set(other.names) else found
    targets = recipe.target.columns if recipe.target else ()
    without = tuple(name for name in recipe.data.columns if name not in targets)
    for names in (recipe.data.columns, without):
        if len(names) == len(found.names):
            return replace(found, names=names)
    raise DataError(
        f"{path} has {len(found.names)} columns and no names; the model knows {', '.join(recipe.data.columns)[:200]}. "
        "Give all of them in this order, with or without the target, or a header.",
        where=str(path),
        expected=f"{len(without)} or {len(recipe.data.columns)} columns",
        got=str(len(found.names)),
        fix="add a header line",
    )


def _marks(
    path: Path, spelling: spellings.Spelling, signature: Mapping[str, Mapping[str, Any]], data: Data
) -> dict[str, str]:
    """{column: decimal mark} of the columns that are not plain numbers, found as for training.

    Raises DataError where 1,234 could be either and neither the file nor the recipe tells: no number is guessed.
    """
    missing = frozenset(word.strip() for word in data.missing)
    seen = {
        name: numerals.look((row[place] for row in spelling.rows), missing)
        for place, name in enumerate(spelling.names)
        if name in signature and signature[name]["kind"] in NUMBERED
    }
    here = numerals.agreed(seen.values())
    marks = {name: numerals.mark(each, data.decimal, here, spelling.delimiter) for name, each in seen.items()}
    for name, each in seen.items():
        untold = each.is_open and data.decimal is None and here is None
        untold = untold or bool(each.unclear and each.has_points and marks[name] == ",")  # 3.5 says that 4,998 is 4998
        # 1.234 in a file that shows no decimal comma, for a model whose training file had them
        other = marks[name] == "," and each.plain == each.values and here is None and spelling.delimiter != ";"
        if (untold or other) and signature[name]["kind"] == "number":
            raise _unclear(path, name, spelling)
    return {name: mark for name, mark in marks.items() if mark is not None}


def _unclear(path: Path, name: str, spelling: spellings.Spelling) -> DataError:
    place = spelling.names.index(name)
    looks = ((row[place].strip(), numerals.look([row[place]])) for row in spelling.rows)
    cell = next(cell for cell, seen in looks if seen.unclear or seen.grouped)
    one, other = numerals.plain(cell, "."), numerals.plain(cell, ",")
    return DataError(
        f"{path}: {name} is {cell!r}, which may be {one} or {other}. Write it without "
        "thousands and with a decimal point; or set data.decimal in the recipe and run it again.",
        where=f"{path}, {name}",
        expected="a plain number",
        got=cell,
        fix=f"write {one.replace(',', '')} with no mark between thousands, and a decimal point",
    )
