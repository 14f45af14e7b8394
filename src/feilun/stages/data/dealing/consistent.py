"""Recipe keys that contradict each other, found before any row is read."""

from __future__ import annotations

from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe
from feilun.stages.data.dealing import splits


def check(recipe: Recipe) -> None:
    """Raises RecipeError for a split that cannot be, and for balanced classes where there are none."""
    splits.check(recipe.data.split)
    if recipe.data.test is not None and recipe.data.split.folds is not None:
        raise RecipeError(
            f"data.split.folds is {recipe.data.split.folds}, and data.test gives test rows. Folds take turns as the "
            "test: leave out one of the two.",
            where="data.split.folds",
            expected="no data.test beside it",
            got=str(recipe.data.split.folds),
            fix="leave out data.test",
        )
    several = recipe.target is not None and (len(recipe.target.columns) > 1 or recipe.target.separator is not None)
    if recipe.train.balance != "none" and (recipe.task != "classification" or several):
        why = "a row may have several labels" if several else f"the task is {recipe.task}"
        raise RecipeError(
            f"train.balance is {recipe.train.balance}, and {why}: only a classification with one label per row has "
            "classes to balance. Leave out train.balance.",
            where="train.balance",
            expected="none",
            got=recipe.train.balance,
            fix="train.balance: none",
        )
