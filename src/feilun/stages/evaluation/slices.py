"""Weak spots: the slices of the test rows, by one column or two, that are answered worst, looked at all together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.metrics.intervals import of_part
from feilun.parts.metrics.resampling import Draw
from feilun.stages.evaluation import groups

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Rows
    from feilun.stages.evaluation.asking import Model
    from feilun.stages.evaluation.why import Seen

SHOWN = 3
FEWEST = 30  # rows inside a slice, and outside of it
COLUMNS, PAIRED = 40, 8  # columns looked at alone, and in pairs: those that matter most come first
ALIKE = 0.5  # share of rows in common from which two slices are the same weakness
CHANCE = 0.05  # that any of all the slices is called clearly worse where none is


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slice:
    """Rows with these values. away: standard errors by which they are answered worse than all others."""

    where: tuple[tuple[str, str], ...]
    places: np.ndarray
    away: float


def described(model: Model, seen: Seen, draw: Draw, main: str, matters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{score, looked_at, rows: [{where: [[column, value]], n, score: {value, low, high}, others, clear}]}, worst first.

    The main score, or the task's for comparing rows where the main one is no mean over rows.  matters: the importance
    of columns.  A slice is clear if it is worse than all other rows by more than the worst of
    as many slices would be by chance (Bonferroni, one-sided). {} where no score is a mean over rows, or no column can
    be cut.
    """
    scores = model.task.scores(seen.answers, seen.truths, model.recipe)
    asked = (main, model.task.paired, *scores)
    name = next((one for one in asked if one in scores and scores[one].rows is not None), "")
    values = scores[name].rows if name else None
    if values is None or len(values) < 2 * FEWEST:
        return {}
    bad = (1.0 if scores[name].better == "lower" else -1.0) * np.asarray(values, np.float64)
    every = _every(_cut(model.recipe, seen.rows, [str(row["input"]) for row in matters]), bad, draw.groups)
    if not every:
        return {}
    least = NormalDist().inv_cdf(1 - CHANCE / len(every))
    found = []
    for one in _weakest(every):
        inside = draw.of(one.places)
        about = {"better": scores[name].better, "unit": scores[name].unit}
        others = float(np.delete(values, one.places).mean())
        found.append(
            {
                "where": [list(pair) for pair in one.where],
                "n": len(one.places),
                "score": {**inside.ends(of_part(scores[name], one.places)), **about},
                "others": others,
                "clear": one.away > least,
            }
        )
    return {"score": name, "looked_at": len(every), "rows": found}


def _cut(recipe: Recipe, rows: Rows, order: Sequence[str]) -> dict[str, list[str | None]]:
    """{column: name of each row's part}: values, quarters of numbers, quarters of how long texts are."""
    kinds = {name: item.kind for name, item in recipe.inputs.items()} | dict.fromkeys(recipe.evaluate.groups, "")
    names = sorted(kinds, key=lambda name: order.index(name) if name in order else len(order))
    found: dict[str, list[str | None]] = {}
    for name in names:
        if name not in rows or kinds[name] not in ("number", "category", "text", "") or len(found) == COLUMNS:
            continue
        if kinds[name] == "text":
            lengths = [None if value is None else float(len(str(value))) for value in rows[name]]
            parts = groups.named(lengths)
            found[name] = [part if part is None or part[0] == "(" else f"{part} characters" for part in parts]
        else:
            found[name] = groups.named(rows[name])
    return {name: parts for name, parts in found.items() if len(set(parts)) > 1}


def _every(cut: Mapping[str, list[str | None]], bad: np.ndarray, clusters: np.ndarray | None) -> list[_Slice]:
    """Every slice with enough rows inside and outside. A pair counts only if it is worse than each of its sides."""
    titles, codes = {}, {}
    for name, parts in cut.items():
        titles[name], codes[name] = np.unique(["" if part is None else part for part in parts], return_inverse=True)
    found: list[_Slice] = []
    alone: dict[tuple[str, str], float] = {}
    for name, code in codes.items():
        for place, title in enumerate(titles[name]):
            inside = np.flatnonzero(code == place)
            if title and _enough(len(inside), len(bad)):
                away = _away(bad, inside, clusters)
                alone[name, str(title)] = away
                found.append(_Slice(where=((name, str(title)),), places=inside, away=away))
    for one, other in combinations(list(codes)[:PAIRED], 2):
        for a, b in {(x, y) for x, y in zip(codes[one].tolist(), codes[other].tolist(), strict=True)}:
            where = ((one, str(titles[one][a])), (other, str(titles[other][b])))
            inside = np.flatnonzero((codes[one] == a) & (codes[other] == b))
            if all(side[1] for side in where) and _enough(len(inside), len(bad)):
                away = _away(bad, inside, clusters)
                if any(away <= alone.get(side, -math.inf) for side in where):
                    away = -math.inf  # looked at, but one column says it all
                found.append(_Slice(where=where, places=inside, away=away))
    return sorted(found, key=lambda one: (-one.away, one.where))


def _enough(inside: int, count: int) -> bool:
    return inside >= FEWEST and count - inside >= FEWEST


def _away(bad: np.ndarray, inside: np.ndarray, clusters: np.ndarray | None) -> float:
    """How many standard errors worse these rows are than all others; rows of one cluster count together."""
    is_in = np.zeros(len(bad), bool)
    is_in[inside] = True
    means = bad[is_in].mean(), bad[~is_in].mean()
    apart = np.where(is_in, (bad - means[0]) / is_in.sum(), -(bad - means[1]) / (~is_in).sum())
    sums = apart if clusters is None else np.bincount(clusters, weights=apart)
    alike = bad.std() * (1 / is_in.sum() + 1 / (~is_in).sum()) ** 0.5  # a few rows that are all right have no spread
    error = max(math.sqrt(float((sums**2).sum())), float(alike))
    return float(means[0] - means[1]) / error if error > 0 else 0.0


def _weakest(every: Sequence[_Slice]) -> list[_Slice]:
    """The worst ones that are not nearly the same rows; what is not worse than the others is no weakness."""
    found: list[_Slice] = []
    for one in every:
        if one.away <= 0 or len(found) == SHOWN:
            break
        own = set(one.places.tolist())
        if all(len(own & set(x.places.tolist())) < ALIKE * len(own | set(x.places.tolist())) for x in found):
            found.append(one)
    return found
