"""Which columns of the source a run keeps: what the task reads, and beside it what splits and scores are told by."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import pyarrow as pa

from feilun.core.errors import RecipeError
from feilun.core.protocols import Feature
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.parts.metrics import expression, fitting, values
from feilun.parts.ops.measured import Unit
from feilun.parts.ops.numerals import Written


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


def by_task(
    task: Task,
    recipe: Recipe,
    units: Mapping[str, Unit] | None = None,
    written: Mapping[str, Written] | None = None,
) -> Wanted:
    """The columns the task's features read, with their kinds, and what makes two rows the same.

    units: {column: unit that was taken off its numbers}.  written: {column: how its numbers were written}.
    """
    features = {
        name: _told(feature, recipe, units or {}, written or {}) for name, feature in task.features(recipe).items()
    }
    inputs = {name: feature for name, feature in features.items() if name not in task.targets}
    found = {column: _kind(feature) for feature in inputs.values() for column in feature.columns}
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


def _kind(feature: Feature) -> str:
    """What the feature's columns hold, where several features read the same kind in different ways."""
    return str(getattr(feature, "column_kind", feature.kind))


def _told(feature: Feature, recipe: Recipe, units: Mapping[str, Unit], written: Mapping[str, Written]) -> Feature:
    """The feature, knowing what counts as missing and how numbers were written: this goes into the bundle."""
    own = {column: asdict(units[column]) for column in feature.columns if column in units}
    knows = {field.name for field in fields(feature)}  # type: ignore[arg-type]
    forms = {column: asdict(written[column]) for column in feature.columns if column in written}
    told = {"missing": recipe.data.missing, "units": own, "written": forms}
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


def fit(recipe: Recipe, table: pa.Table) -> None:
    """Raises RecipeError for a business metric that does not fit its columns, such as the mean of a text."""
    if not recipe.evaluate.metrics:
        return
    named = [name for name in sorted(in_metrics(recipe)) if name in table.column_names]
    kinds = {expression.key(name): _fitting(table.column(name)) for name in named}
    target = recipe.target.columns if recipe.target else ()
    if recipe.task in ("classification", "regression") and len(target) == 1 and target[0] in table.column_names:
        found = _fitting(table.column(target[0]))
        found = fitting.TEXT if found == fitting.CONDITION else found  # labels are texts
        kinds |= dict.fromkeys(("actual", "predicted"), fitting.ANY if found == fitting.LIST else found)
    expression.fit(recipe.evaluate.metrics, kinds)


def _fitting(column: pa.ChunkedArray) -> str:
    """What a metric may do with this column."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return fitting.CONDITION if not column.null_count else fitting.ANY
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return fitting.LIST
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return fitting.NUMBER
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return fitting.ANY
    return fitting.DIGITS if all(values.is_number(text) for text in column.unique().to_pylist()) else fitting.TEXT


def in_metrics(recipe: Recipe) -> set[str]:
    """Names in business metrics that may be columns."""
    return {name for own, text in recipe.evaluate.metrics.items() for name in expression.read(text, own).columns()}


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
