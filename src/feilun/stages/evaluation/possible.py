"""Scores that the test rows cannot have, said before training: the rows are dealt by then, and their truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from feilun.core.errors import DataError
from feilun.parts.bundle.answering import by_row
from feilun.parts.dataset import Table

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Json, Task

OF_CLASSES = ("auc", "average_precision")


def check(task: Task, recipe: Recipe, table: Table) -> None:
    """Raises DataError if the test rows do not have the score that the recipe names: the AUC of one class, R² of a
    constant, MAPE of a zero. Without a named score nothing is asked, and only the targets are read."""
    score, index = recipe.evaluate.score, table.index("test")
    if score not in (*OF_CLASSES, "r2", "mape") or recipe.target is None or not len(index):
        return
    truths = [task.truth(row, recipe) for row in by_row(table.rows.select_columns(list(recipe.target.columns))[index])]
    lacks = _of_labels(truths) if score in OF_CLASSES else _of_numbers(truths, score)
    if lacks:
        got, needs = lacks
        raise DataError(
            f"evaluate.score is {score!r}, and {got}: {score} needs {needs}. Give other test rows (data.split, or "
            "the file of data.test), or name another evaluate.score.",
            where="evaluate.score",
            expected=needs,
            got=got,
            fix="give other test rows, or name another evaluate.score",
        )


def _of_labels(truths: Sequence[Json]) -> tuple[str, str] | None:
    """(what the rows are, what is needed), or None where nothing is lacking."""
    if isinstance(truths[0], str) and len(set(truths)) == 1:
        return f'all {len(truths):,} test rows are "{truths[0][:60]}"', "both classes"
    return None


def _of_numbers(truths: Sequence[Json], score: str) -> tuple[str, str] | None:
    rows = [list(one.values()) if isinstance(one, dict) else [one] for one in truths]
    values = np.array(rows, np.float64)
    count = len(values)
    if score == "mape" and not values.all():
        return f"the target is 0 in {int((values == 0).any(1).sum()):,} of {count:,} test rows", "targets other than 0"
    if score == "r2" and not (values.std(0) > 0).all():
        constant = values[0, int(values.std(0).argmin())]
        return f"the target is {constant:g} in all {count:,} test rows", "different targets"
    return None
