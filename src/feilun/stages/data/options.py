"""Options under inputs and model are checked against what the feature and the model really take."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import AUTO, Recipe

OWN = "own"  # the user's model, which is no family


def check(recipe: Recipe) -> None:
    """Raises RecipeError, with the nearest name, for a kind, an option, a model or a score that does not exist."""
    reads = discover.task(str(recipe.task)).reads if recipe.task else {}
    for name, column in recipe.inputs.items():
        where = f"inputs.{name}"
        require(column.kind, discover.names("features"), f"{where}.kind", "There is no kind")
        if column.options:
            feature = discover.find("features", reads.get(column.kind, column.kind)).FEATURE
            for option in column.options:
                require(option, _options(feature), f"{where}.{option}", f"{column.kind} has no option")
            feature(columns=(name,), **column.options)  # raises RecipeError for a value it does not take
    scores = discover.scores(str(recipe.task))
    if recipe.evaluate.score is not None and scores:
        require(recipe.evaluate.score, scores, "evaluate.score", "There is no score")
    _check_model(recipe)


def _check_model(recipe: Recipe) -> None:
    model = discover.aliases("models").get(str(recipe.model.name), str(recipe.model.name))
    if model == AUTO:
        if recipe.model.options:
            raise RecipeError(
                f"model auto takes no options; there is {', '.join(recipe.model.options)}. It chooses them.",
                where="model",
                expected="no options",
                got=", ".join(recipe.model.options),
                fix="name a model, such as mlp",
            )
        return
    if recipe.model.file is not None and model != OWN:
        raise RecipeError(
            f"model.file is {recipe.model.file!r} and model.name {model!r}. A file is a model: leave out one.",
            where="model.name",
            expected="no name beside a file",
            got=model,
            fix="leave model.name out",
        )
    if model == OWN:
        return  # its file or module is looked at when it is built
    require(model, [AUTO, *discover.names("models")], "model.name", "There is no model")
    if recipe.model.options:  # only then: finding the model imports torch
        allowed = _options(discover.find("models", model).MODEL)
        for option in recipe.model.options:
            require(option, allowed, f"model.{option}", f"{model} has no option")


def require(name: str, there: Iterable[str], where: str, problem: str) -> None:
    """Raises RecipeError unless the name is there."""
    known = sorted(there)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise RecipeError(
        f"{where}: {problem} {name!r}. {hint}There are: {', '.join(known) or 'none'}.",
        where=where,
        expected=", ".join(known),
        got=name,
        fix=f"use {near[0]}" if near else "take a name from this list",
    )


def _options(record: Any) -> list[str]:
    """Fields a user may set: not the columns, and not what is learnt (learnt fields start empty)."""
    fields = [field for field in dataclasses.fields(record) if field.default not in ((), "")]
    return [field.name for field in fields if field.name not in ("column", "columns", "target")]
