"""Ways of training that this task or these columns do not have, said before anything is done to the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feilun.core.errors import RecipeError
from feilun.core.train import Train
from feilun.parts.engine.losses import SMOOTHED

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Task

WAYS = ("mixup", "cutmix")  # of mixing rows; a task may name them in `cannot`
MIXED = ("number", "image")  # kinds whose rows can be mixed: half of one and half of another still means something


def check(recipe: Recipe, task: Task) -> None:
    """Raises RecipeError. recipe: resolved, with the kinds of its inputs."""
    _loss(recipe, task)
    for way in WAYS:
        if getattr(recipe.train, way):
            _mixing(recipe, task, way)


def _loss(recipe: Recipe, task: Task) -> None:
    plan = recipe.train
    known = ", ".join(task.losses)
    if plan.loss is not None and plan.loss not in task.losses:
        has = f"it has: {known}" if known else "its loss cannot be chosen"
        raise RecipeError(
            f"train.loss is {plan.loss!r}; task {recipe.task} does not have it, {has}. Leave train.loss out for the "
            "task's own.",
            where="train.loss",
            expected=known or "nothing",
            got=plan.loss,
            fix=f"train.loss: {task.losses[0]}" if known else "leave train.loss out",
        )
    loss = plan.loss or next(iter(task.losses), "the task's own")
    fits = [name for name in SMOOTHED if name in task.losses]
    if plan.label_smoothing and loss not in SMOOTHED:
        raise RecipeError(
            f"train.label_smoothing is {plan.label_smoothing}, and the loss is {loss}: labels are smoothed for "
            f"{' and '.join(SMOOTHED)}. Leave train.label_smoothing out.",
            where="train.label_smoothing",
            expected=" or ".join(fits) if fits else "no label_smoothing",
            got=loss,
            fix=f"train.loss: {fits[0]}" if fits else "leave train.label_smoothing out",
        )
    if plan.focusing != Train.model_fields["focusing"].default and loss != "focal":
        raise RecipeError(
            f"train.focusing is {plan.focusing}, and the loss is {loss}: only focal has it.",
            where="train.focusing",
            expected="train.loss: focal",
            got=loss,
            fix="train.loss: focal" if "focal" in task.losses else "leave train.focusing out",
        )


def _mixing(recipe: Recipe, task: Task, way: str) -> None:
    known = MIXED if way == "mixup" else ("image",)
    others = {name: item.kind for name, item in recipe.inputs.items() if item.kind not in known}
    why = "" if recipe.inputs else f"task {recipe.task} has no columns to mix"
    if others:
        name, kind = next(iter(others.items()))
        only = "only numbers and pictures can be mixed" if way == "mixup" else "only pictures can be cut"
        why = f"{name!r} is of kind {kind}: {only}"
    why = task.cannot.get(way, why)
    if why:
        raise RecipeError(
            f"train.{way} is {getattr(recipe.train, way):g}, and {why}. Leave train.{way} out.",
            where=f"train.{way}",
            expected=f"inputs of kind {' or '.join(known)}",
            got=", ".join(f"{name}: {kind}" for name, kind in others.items()),
            fix=f"train.{way}: 0",
        )
