"""The target: which column it is, and which task follows from its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.delimited.objects import ANSWERS
from feilun.stages.data.cells import absent, clean
from feilun.stages.data.looking import language, shapes
from feilun.stages.data.reading import raw

USUAL = ("target", "label", "class", "y", "目标", "标签", "类别")
MOST_WHOLE_CLASSES = 10  # student_mat's grades 0..20 are numbers; ratings 1..5 and digits 0..9 are classes
SEPARATORS = ("|", ";")
LONGEST_LABEL = 40  # characters
MOST_SEEN = 5_000  # cells looked at for a separator, evenly spread
MOST_CLASSES_SHARE = 0.5  # of the rows: words that hardly repeat are no classes


def columns(recipe: Recipe, whole: raw.Raw, names: Sequence[str]) -> tuple[str, ...]:
    """The recipe's target, the source's own, or the one column with a usual name; none if it is not clear."""
    if recipe.target is not None:
        named = recipe.target.columns
        return (len(named) == 1 and shapes.numbered(named[0], names)) or named
    if whole.target is not None and whole.target in names:
        return (whole.target,)
    usual = [name for name in names if name.lower() in USUAL and name not in recipe.inputs]
    return (usual[0],) if len(usual) == 1 else ()


def task(recipe: Recipe, table: pa.Table, chosen: Sequence[str], whole: raw.Raw) -> tuple[str | None, str]:
    """(task, why). The recipe's own task is taken as it is; without a target there is none.

    Raises DataError if every row lacks the target, if it has one value only, or if its words hardly repeat.
    """
    if not chosen:
        return recipe.task, ""
    column = table.column(chosen[0])
    if recipe.task in (None, "token_classification") and len(chosen) == 1 and language.are(column, language.SPANS):
        return "token_classification", "spans of texts, so token_classification"
    if recipe.task in (None, "question_answering") and len(chosen) == 1 and language.are(column, ANSWERS):
        return "question_answering", "pieces of passages, so question_answering"
    if recipe.task is not None and recipe.task not in ("classification", "regression"):
        return recipe.task, f"task {recipe.task}"
    complete = whole.rows is not None and whole.rows <= len(whole.given)
    if complete:
        _check_values(table, chosen, whole.name)
    found = _infer(recipe, table, chosen, whole.name) if recipe.task is None else recipe.task
    if found == "classification" and len(chosen) == 1 and complete:
        _check_classes(column, chosen[0], whole, recipe.data.missing)
    return found, f"{_describe(column, found, len(chosen))}, so {found}"


def separator(column: pa.ChunkedArray) -> str:
    """What stands between several labels in one cell, such as | in `red|blue`; empty where cells hold one label.

    Labels repeat: there must be fewer of them than of different cells, each short and in two rows or more.
    """
    known = clean.spread(column.drop_null(), MOST_SEEN)
    if not clean.is_text(known.type) or len(known) < 2:
        return ""
    cells = Counter(known.to_pylist())
    for mark in SEPARATORS:
        several = sum(count for cell, count in cells.items() if mark in cell)
        labels = Counter(part.strip() for cell in known.to_pylist() for part in cell.split(mark))
        short = all(0 < len(label) <= LONGEST_LABEL for label in labels)
        if several >= max(2, 0.02 * len(known)) and short and len(labels) < len(cells) and min(labels.values()) > 1:
            return mark
    return ""


def missing(names: Sequence[str], where: str) -> RecipeError:
    """The error for a recipe that does not say what to predict."""
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    both = language.pair(names)
    said = f" To translate, it is the language that is to be written: --target {both[1]}, say." if both else ""
    return RecipeError(
        f"target is missing: which column of {where} should be predicted? There are: {shown}.{said}",
        where="target",
        expected=shown,
        fix="add target: COLUMN to the recipe, or --target COLUMN",
    )


def _check_values(table: pa.Table, chosen: Sequence[str], where: str) -> None:
    for name in chosen:
        if table.column(name).null_count == table.num_rows:
            raise DataError(
                f"{where}: the target {name} has no value in any of {table.num_rows:,} rows. Choose another column, or "
                "check data.missing.",
                where=f"{where}, {name}",
                expected="values",
                got="none",
                fix="choose another target",
            )


def _check_classes(column: pa.ChunkedArray, name: str, whole: raw.Raw, missing: Sequence[str]) -> None:
    """Raises DataError if there is only one class; a word that counts as missing and may be the other is named."""
    if pa.types.is_nested(column.type) or pc.count_distinct(column.drop_null()).as_py() > 1:
        return
    only = str(column.drop_null()[0].as_py())[:60]
    word = absent.of(whole.came, name, missing)
    said = (
        f"{word.rows:,} rows say {word.text!r}, which counts as missing: for a class, write {word.key}. "
        if word
        else ""
    )
    raise DataError(
        f"{whole.name}: the target {name} has one class only, {only!r}. {said}Add rows of another class, or choose "
        "another column.",
        where=f"{whole.name}, {name}",
        expected="two classes or more",
        got=only,
        fix=word.key if word else "add rows of another class",
    )


def _infer(recipe: Recipe, table: pa.Table, chosen: Sequence[str], where: str) -> str:
    if recipe.target is not None and recipe.target.separator:
        return "classification"
    if len(chosen) == 1 and separator(table.column(chosen[0])):
        return "classification"
    found = {_of_column(table.column(name), name, where, several=len(chosen) > 1) for name in chosen}
    return "regression" if found == {"regression"} else "classification"


def _of_column(column: pa.ChunkedArray, name: str, where: str, *, several: bool) -> str:
    known = column.drop_null()
    if pa.types.is_nested(known.type) or pa.types.is_boolean(known.type) or len(known) == 0:
        return "classification"
    distinct = pc.count_distinct(known).as_py()
    if clean.number_share(known)[0] == 1:
        values = known.cast(pa.float64(), safe=False)
        whole = pc.all(pc.equal(pc.floor(values), values)).as_py()
        return "classification" if whole and distinct <= (2 if several else MOST_WHOLE_CLASSES) else "regression"
    hardly_repeats = len(known) >= 20 and distinct > MOST_CLASSES_SHARE * len(known)
    _check_numbers(column, name, where, hardly_repeats=hardly_repeats)
    if hardly_repeats:
        raise DataError(
            f"{where}: the target {name} has {distinct:,} different values in {len(known):,} rows, too many to be "
            "classes. Choose another column, or say which task this is, such as --task text_generation or translation, "
            "which write texts.",
            where=f"{where}, {name}",
            expected="classes that repeat, or numbers",
            got=f"{distinct:,} different values",
            fix="choose another target, or set task",
        )
    return "classification"


def _check_numbers(column: pa.ChunkedArray, name: str, where: str, *, hardly_repeats: bool) -> None:
    """Raises DataError for numbers among which a few cells are words: they name the rows that a person must look at.

    Whole numbers that repeat may be classes, and a word among them another one.
    """
    if not clean.is_text(column.type) or not 1 - clean.NOT_NUMBERS <= clean.number_share(column)[0] < 1:
        return
    cells = column.to_pylist()
    good = pc.match_substring_regex(column, clean.NUMBER).to_pylist()
    numbers = [float(cell) for cell, is_number in zip(cells, good, strict=True) if is_number]
    if not hardly_repeats and (len(set(numbers)) <= MOST_WHOLE_CLASSES or all(value.is_integer() for value in numbers)):
        return
    others: dict[str, list[int]] = {}
    for row, (cell, is_number) in enumerate(zip(cells, good, strict=True), 1):
        if is_number is False:
            others.setdefault(cell, []).append(row)
    if not others:  # codes such as 007, which are written like numbers
        return
    count = sum(map(len, others.values()))
    shown = ", ".join(
        f"{cell[:LONGEST_LABEL]!r} in row {rows[0]:,}{f' and {len(rows) - 1:,} more' if len(rows) > 1 else ''}"
        for cell, rows in list(others.items())[:3]
    ) + (", ..." if len(others) > 3 else "")
    listed = ", ".join(repr(cell[:LONGEST_LABEL]) for cell in list(others)[:3])
    raise DataError(
        f"{where}: the target {name} is numbers but for {count:,} of {len(numbers) + count:,} cells: {shown}. Correct "
        f"them, or add {listed} to data.missing: rows without a target are left out. If these are classes, set task: "
        "classification.",
        where=f"{where}, {name}",
        expected="numbers",
        got=shown,
        fix=f"add {listed} to data.missing",
    )


def _describe(column: pa.ChunkedArray, found: str | None, number: int) -> str:
    known = column.drop_null()
    if number > 1:
        return f"{number} columns"
    if pa.types.is_nested(known.type) or len(known) == 0:
        return "lists of labels"
    mark = separator(known) if found == "classification" else ""
    if mark:
        labels = {part.strip() for cell in pc.unique(known).to_pylist() for part in cell.split(mark)}
        return f"{len(labels):,} labels with {mark} between them"
    distinct = pc.count_distinct(known).as_py()
    if found != "classification":
        return f"numbers, {distinct:,} different"
    if distinct > 4:
        return f"{distinct:,} classes"
    counts = sorted((-entry["counts"], str(entry["values"])) for entry in pc.value_counts(known).to_pylist())
    return ", ".join(f"{name} {-count / len(known):.1%}".replace("%", " %") for count, name in counts)
