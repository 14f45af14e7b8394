"""Which columns of the source a run keeps: what the task reads, and beside it what splits and scores are told by."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

from feilun.core.errors import RecipeError
from feilun.core.protocols import Feature
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.parts.metrics import expression
from feilun.parts.ops.measured import Unit


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the task reads. kinds: {column: kind}; targets: columns that do not exist when serving."""

    kinds: Mapping[str, str]
    targets: tuple[str, ...]
    identity: tuple[str, ...]
    features: Mapping[str, Feature]

    @property
    def columns(self) -> list[str]:
        """Every column the task needs, once."""
        return list(dict.fromkeys([*self.kinds, *self.targets, *self.identity]))


def by_task(task: Task, recipe: Recipe, units: Mapping[str, Unit] | None = None) -> Wanted:
    """The columns the task's features read, with their kinds, and what makes two rows the same.

    units: {column: unit that was taken off its numbers}.
    """
    features = {name: _told(feature, recipe, units or {}) for name, feature in task.features(recipe).items()}
    inputs = {name: feature for name, feature in features.items() if name not in task.targets}
    found = {column: feature.kind for feature in inputs.values() for column in feature.columns}
    found |= {name: column.kind for name, column in recipe.inputs.items() if name not in found}
    read = {
        column: features[name].kind for name in task.targets if name in features for column in features[name].columns
    }
    targets = list(dict.fromkeys([*read, *(recipe.target.columns if recipe.target else ())]))
    targets = [column for column in targets if column not in found]  # boxes also read the size of the picture
    found |= {column: kind for column, kind in read.items() if column not in found}
    identity = task.identity(recipe) if task.identity else tuple(name for name in found if name not in targets)
    return Wanted(
        kinds=found,
        targets=tuple(name for name in targets if name not in recipe.inputs),
        identity=tuple(identity),
        features=features,
    )


def _told(feature: Feature, recipe: Recipe, units: Mapping[str, Unit]) -> Feature:
    """The feature, knowing what counts as missing and which units to take off: that goes with it into the bundle."""
    own = {column: asdict(units[column]) for column in feature.columns if column in units}
    knows = {field.name for field in fields(feature)}  # type: ignore[arg-type]
    told = {"missing": recipe.data.missing, "units": own}
    return replace(feature, **{name: value for name, value in told.items() if name in knows})  # type: ignore[type-var]


def beside(recipe: Recipe, there: Sequence[str]) -> list[str]:
    """Columns that are kept although no feature reads them: of groups, of the split, of business metrics.

    Raises RecipeError where a named one is not among `there`.
    """
    expression.check(recipe.evaluate.metrics, there)
    for name in recipe.evaluate.groups:
        _require(name, there, "evaluate.groups")
    split = recipe.data.split.column
    if split is not None:
        _require(split, there, "data.split.column")
    named = [*recipe.evaluate.groups, *([split] if split else []), *sorted(in_metrics(recipe))]
    return list(dict.fromkeys(name for name in named if name in there))


def in_metrics(recipe: Recipe) -> set[str]:
    """Names in business metrics that may be columns."""
    return {name for text in recipe.evaluate.metrics.values() for name in expression.columns(text)}


def _require(name: str, there: Sequence[str], where: str) -> None:
    if name in there:
        return
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
    shown = ", ".join(there[:30]) + (", ..." if len(there) > 30 else "")
    raise RecipeError(
        f"{where} names the column {name!r}, which the source does not have. "
        f"{f'Did you mean {near[0]!r}? ' if near else ''}There are: {shown}.",
        where=where,
        expected=shown,
        got=name,
        fix=f"use {near[0]}" if near else "take a name from this list",
    )
