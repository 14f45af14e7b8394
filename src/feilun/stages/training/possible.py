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
    _without_effect(recipe.train)
    _untrained(recipe)
    _few_shot(recipe)
    for way in WAYS:
        if getattr(recipe.train, way):
            _mixing(recipe, task, way)


def _without_effect(plan: Train) -> None:
    """A key that does nothing here is told: whoever sets it expects something of it. What says the default is left."""
    moves = ("momentum", "nesterov", "rmsprop", "muon")
    idle = {
        "momentum": plan.optimizer not in moves and f"optimizer: {moves[0]}",
        "warmup": plan.decay == "one_cycle" and "decay: cosine, as one_cycle warms up by itself",
        "average_decay": plan.average != "ema" and "average: ema",
        "unfreeze": not plan.freeze and "train.freeze: [encoders]",
        "shard": plan.processes == 1 and plan.cluster is None and "processes: 2",
    }
    for key, goes_with in idle.items():
        if goes_with and getattr(plan, key) != Train.model_fields[key].default:
            raise _idle(key, getattr(plan, key), goes_with)
    if plan.unfreeze is not None and plan.unfreeze > plan.epochs:
        raise _idle("unfreeze", plan.unfreeze, f"at least so many epochs; there are {plan.epochs}")
    for key in ("pretrain", "pseudo_labels"):
        if plan.time_limit_s is not None and getattr(plan, key) is not None:
            raise _idle("time_limit_s", plan.time_limit_s, f"one training alone; train.{key} is another one")


def _untrained(recipe: Recipe) -> None:
    """Raises RecipeError where there would be nothing but chance."""
    if recipe.train.epochs == 0 and recipe.model.weights is None and recipe.model.name != "own":
        raise RecipeError(
            "train.epochs is 0: the weights are taken as they are, and there are none to take. Name some, or train.",
            where="train.epochs",
            expected="1 or more, or model.weights",
            got="0",
            fix="model: {weights: FOLDER}",
        )


def _few_shot(recipe: Recipe) -> None:
    """Raises RecipeError where there is nothing to leave as it is, or the plan asks for a training by steps."""
    plan = recipe.train
    if not plan.few_shot:
        return
    if recipe.model.weights is None and plan.pretrain is None and recipe.model.name != "own":
        raise RecipeError(
            "train.few_shot leaves the network as it is and solves its last layer alone, and this network knows "
            "nothing yet. Name weights to start from, or pre-train.",
            where="train.few_shot",
            expected="model.weights, or train.pretrain",
            got="neither",
            fix="model: {weights: FOLDER}",
        )
    for key in ("optimizer", "find", "mixup", "cutmix", "time_limit_s", "average", "loss", "processes", "accumulate"):
        if getattr(plan, key) != Train.model_fields[key].default:
            raise _idle(key, getattr(plan, key), "a training by steps; train.few_shot solves the last layer at once")


def _idle(key: str, value: object, goes_with: str) -> RecipeError:
    shown = list(value) if isinstance(value, tuple) else value
    return RecipeError(
        f"train.{key} is {shown}, and does nothing here: it goes with {goes_with}. Leave train.{key} out.",
        where=f"train.{key}",
        expected=goes_with,
        got=str(shown),
        fix=f"leave train.{key} out",
    )


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
