"""Fills in what the recipe left out: name, task, inputs with kinds, target, model and the task's training defaults.

What the user wrote always wins; what is filled in is written back into the run, so that a second time nothing changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.features import mixed
from feilun.stages.data import options, published
from feilun.stages.data.looking import survey, targets
from feilun.stages.data.reading import builtin

# By columns of one kind; every other mix: mlp
MODELS = {frozenset({"image"}): "cnn", frozenset({"text"}): "gru", frozenset({"sequence"}): "lstm"}

ENCODED: dict[str, dict[str, dict[str, Any]]] = {  # model -> kind -> options
    "bag": {"text": {"tokens": "grams"}},
    options.OWN: {"number": {"transform": "standard"}},  # a column stays one number, whatever the number of rows
}


def resolve(recipe: Recipe, base: Path, frame: Any = None, found: survey.Survey | None = None) -> Recipe:
    """The whole recipe. Raises RecipeError for a wrong key or value, DataError for a source that does not fit.

    found: what a look at this recipe found, where somebody had one already.
    """
    recipe = _named(recipe)
    if recipe.task is not None:
        task = _task_name(recipe.task)
        recipe, found = _set(recipe, task=task), found if task == recipe.task else None
    if builtin.is_task(recipe.data.source) and frame is None:
        recipe, found = _with_example(recipe), None
    if not _is_complete(recipe):
        recipe = _with_data(recipe, found or survey.take(recipe, base, frame))
    window = recipe.data.window  # windows overlap: dealt by chance, near-copies would stand on both sides
    if window is not None and window.by and "by" not in recipe.data.split.model_fields_set:
        by_time = recipe.with_settings({"data.split.by": "time", "data.split.column": window.by})
        recipe = Recipe.model_validate(by_time)
    if recipe.model.file is not None and recipe.model.name is None:
        recipe = _set(recipe, model={**recipe.model.model_dump(exclude_unset=True), "name": options.OWN})
    recipe = _under(recipe, published.training(recipe, base))
    recipe = published.filled(recipe, base)  # before the defaults: they name another model
    recipe = _under(recipe, discover.task(str(recipe.task)).defaults)
    if recipe.model.name is None:
        kinds = frozenset(column.kind for column in recipe.inputs.values())
        given = recipe.model.model_dump(mode="json", exclude_unset=True)
        recipe = _set(recipe, model={**given, "name": MODELS.get(kinds, "mlp")})
    recipe = encoded(recipe)
    options.check(recipe)
    return recipe


def encoded(recipe: Recipe) -> Recipe:
    """With the input options that the model goes best with, where the user set none."""
    asked = ENCODED.get(str(recipe.model.name), {})
    said = {  # for one column of a kind that is encoded together, it is said for all of them
        (column.kind, option)
        for column in recipe.inputs.values()
        if column.kind in mixed.TOGETHER
        for option in column.options
    }
    inputs = {
        name: {
            **{
                option: value
                for option, value in asked.get(column.kind, {}).items()
                if (column.kind, option) not in said
            },
            **column.model_dump(mode="json"),
        }
        for name, column in recipe.inputs.items()
    }
    return _set(recipe, inputs=inputs) if asked else recipe


def _named(recipe: Recipe) -> Recipe:
    if recipe.name is None:
        source = recipe.data.source or "table"
        stem = source.removeprefix(builtin.PREFIX) if source.startswith(builtin.PREFIX) else Path(source).stem
        return _set(recipe, name=re.sub(r"[^\w.-]+", "-", stem).strip("-._") or "data")
    return recipe


def _task_name(task: str) -> str:
    """The task's own name. Raises RecipeError, with the nearest name, if there is none."""
    name = discover.aliases("tasks").get(task, task)
    options.require(name, discover.names("tasks"), "task", "There is no task")
    return name


def _with_example(recipe: Recipe) -> Recipe:
    """The recipe that goes with a task's own example, under what the user set."""
    task = builtin.task_of(str(recipe.data.source))
    if recipe.task not in (None, task):
        return recipe
    return _under(_set(recipe, task=task), discover.task(task).example_recipe)


def _is_complete(recipe: Recipe) -> bool:
    kinds = [column.kind for column in recipe.inputs.values()]
    return bool(recipe.task and recipe.target and kinds and all(kinds))


def _with_data(recipe: Recipe, found: survey.Survey) -> Recipe:
    recipe = _set(recipe, **found.proposed)
    if not found.targets and recipe.task is None:
        raise targets.missing([entry["column"] for entry in found.columns], found.name)
    recipe = _set(recipe, task=_task_name(str(found.task)))
    if found.targets and (recipe.target is None or recipe.target.columns != found.targets):
        recipe = _set(recipe, target=list(found.targets))
    if not found.inputs:
        why = "; ".join(f"{entry['column']} {entry['why']}" for entry in found.columns if entry["role"] == "left out")
        raise DataError(
            f"{found.name} has no column to learn from: {why or 'there is only the target'}. "
            "Add columns, or name one under inputs with its kind.",
            where=found.name,
            expected="a column besides the target",
            fix="name a column under inputs",
        )
    if found.decimal and recipe.data.decimal is None:  # rows to answer are read as the training rows were
        said = recipe.data.model_dump(mode="json", exclude_unset=True)
        recipe = _set(recipe, data={**said, "decimal": found.decimal})
    given = {name: column.model_dump(mode="json") for name, column in recipe.inputs.items()}
    names = found.inputs if "*" in given else recipe.inputs or found.inputs  # *: and all others, as found
    inputs = {name: {**found.options(name), **given.get(name, {}), "kind": found.inputs[name]} for name in names}
    return _set(recipe, inputs=inputs)


def _under(recipe: Recipe, below: Mapping[str, Any]) -> Recipe:
    """The recipe with these keys where the user set none. Defaults of another model than the user's are left out."""
    user = recipe.model_dump(mode="json", exclude_unset=True)
    below = dict(Recipe.model_validate(below).model_dump(mode="json", exclude_unset=True))
    theirs, ours = user.get("model", {}).get("name"), below.get("model", {}).get("name")
    if theirs and ours and theirs != ours:
        below.pop("model")
    return Recipe.model_validate(_merged(user, below))


def _merged(user: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **user}
    for key in ("data", "model", "train", "evaluate", "optimize", "serve", "improve"):
        if key in user and key in below:
            merged[key] = {**below[key], **user[key]}
    return merged


def _set(recipe: Recipe, **changes: Any) -> Recipe:
    """A copy with these keys; what was not set stays unset."""
    return Recipe.model_validate({**recipe.model_dump(mode="json", exclude_unset=True), **changes})
