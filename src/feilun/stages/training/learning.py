"""What is learnt, from recipe, task and fitted features: the one place where the engine's `Learning` is made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from feilun.parts.engine import losses
from feilun.parts.engine.plan import Learning, Objective
from feilun.stages.training import possible
from feilun.stages.training.draw import augmentation

if TYPE_CHECKING:
    from feilun.core.protocols import Feature
    from feilun.core.recipe import Recipe
    from feilun.core.task import Task


def of(recipe: Recipe, task: Task, features: Mapping[str, Feature]) -> Learning:
    """The task's objective with the loss that the recipe names. Raises RecipeError where the task does not have it."""
    possible.check(recipe, task)
    inputs = {name: feature for name, feature in features.items() if name not in task.targets}
    return Learning(
        objective=_objective(recipe, task),
        turns=task.turns,
        noise=task.noise(recipe) if task.noise else {},
        augment=augmentation(features, tuple(inputs)),
        early_stop=task.early_stop,
        inputs=tuple(inputs),
        targets=task.targets,
    )


def _objective(recipe: Recipe, task: Task) -> Objective:
    plan = recipe.train
    if plan.loss is None and not plan.label_smoothing:
        return task.objective
    return partial(task.objective, loss=losses.named(plan.loss or task.losses[0], plan))
