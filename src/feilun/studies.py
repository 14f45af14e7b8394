"""Questions that take many runs of one recipe: cross-validation, what more rows would bring, which labels are wrong.

A study trains in folders of its own beside the run it is about, skips what is made, and leaves one JSON file in the
run: folds.json and learning.json, which the report draws, and label-noise.json. A model of `auto` is chosen anew each
time, on that time's own validation rows: one that all rows chose would already know the rows it is tested on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun.core import manifest, progress, runs
from feilun.core.errors import RecipeError
from feilun.core.recipe import AUTO, Recipe
from feilun.lifecycle import STAGES, Given, Run, call, choose, make_stages, own_network

UNTIL = STAGES.index("evaluation") + 1
PARTS = (0.125, 0.25, 0.5, 1.0)  # of the training rows


def cross_validate(run: Run, folds: int, given: Given) -> dict[str, Any]:
    """folds.json: every row answered once by a model that never saw it; the score of all answers with its interval."""
    found: dict[str, Any] = call("evaluation", "pool", run.asked, _folds(run, folds, given))
    return _kept(run, "folds.json", found, given)


def label_noise(run: Run, folds: int, given: Given) -> dict[str, Any]:
    """label-noise.json, and label-noise.csv to correct: rows whose label the model of the other folds doubts."""
    call("evaluation", "check_label_noise", run.recipe, run.stages["data"])
    found: dict[str, Any] = call("evaluation", "label_noise", run.asked, _folds(run, folds, given))
    table = call("evaluation", "spreadsheet", found).encode("utf-8-sig")  # by its mark spreadsheets know UTF-8
    manifest.write_bytes(run.folder / "label-noise.csv", table)
    return _kept(run, "label-noise.json", found, given)


def learning_curve(run: Run, given: Given, parts: Sequence[float] = PARTS) -> dict[str, Any]:
    """learning.json: the score by training rows, on the same test rows, and what more of them would bring."""
    points = []
    for part in sorted(parts):
        recipe = _split(run.asked, part=part)
        given.say.line(f"{100 * part:g} % of the training rows")
        points.append(_evaluated(recipe, run.folder.parent / f"part-{part:g}", given))
    found: dict[str, Any] = call("evaluation", "learning", run.asked, points)
    return _kept(run, "learning.json", found, given)


def _folds(run: Run, folds: int, given: Given) -> list[dict[str, Path]]:
    """The stages of every fold. Raises RecipeError for a recipe with test rows of its own."""
    if run.recipe.data.test is not None:
        raise RecipeError(
            "This recipe names test rows in data.test; folds are dealt from one source. Leave data.test out.",
            where="data.test",
            fix="feilun evaluate RECIPE --set data.test=null --folds 5",
        )
    made = []
    for fold in range(folds):
        given.say.line(f"fold {fold + 1} of {folds}")
        recipe = _split(run.asked, folds=folds, fold=fold)
        made.append(_evaluated(recipe, run.folder.parent / f"fold-{fold + 1}-of-{folds}", given))
    return made


def _split(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with another split; what was not set stays unset, and is the chosen model's to say."""
    return Recipe.model_validate(recipe.with_settings({f"data.split.{key}": value for key, value in changes.items()}))


def _evaluated(recipe: Recipe, folder: Path, given: Given) -> dict[str, Path]:
    """{stage: folder} up to the evaluation."""
    with progress.locked(folder.parent), own_network(recipe, folder.parent, given.base, given.model) as whole:
        if whole.model.name == AUTO:
            whole, _ = choose(whole, folder.parent, given)
        return make_stages(whole, STAGES[:UNTIL], folder, given)[0]


def _kept(run: Run, name: str, found: dict[str, Any], given: Given) -> dict[str, Any]:
    manifest.write_json(run.folder / name, found)
    call("evaluation", "report", run.folder, runs.stage_folders(run.folder), run.recipe)
    for line in call("evaluation", "studied", found):
        given.say.line(line)
    return found
