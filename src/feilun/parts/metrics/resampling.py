"""Which rows an interval is over, and how its ends are written down."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feilun.parts.metrics import intervals

if TYPE_CHECKING:
    from feilun.core.recipe import Recipe
    from feilun.core.task import Rows, Score


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """How intervals are drawn: resamples of n rows, from a seed; rows of one group together where groups are given."""

    n: int
    seed: int
    resamples: int
    groups: np.ndarray | None = None  # int (n,)

    def of(self, places: np.ndarray, resamples: int | None = None) -> Draw:
        """The same for these rows alone."""
        return Draw(
            n=len(places),
            seed=self.seed,
            resamples=min(self.resamples, resamples or self.resamples),
            groups=None if self.groups is None else self.groups[places],
        )

    def ends(self, score: Score, resamples: int | None = None) -> dict[str, float | None]:
        """{value, low, high} of a score. Of a difference of scores take `difference`: it is no share of rows."""
        return known(*intervals.interval(score, self.seed, resamples or self.resamples, self.n, self.groups))

    def difference(self, gap: Score) -> tuple[float, float, float]:
        """(value, low, high) of a difference: by bootstrap, but of rows right or wrong as `intervals.paired` says."""
        rows = None if gap.rows is None or self.groups is not None else np.asarray(gap.rows, np.float64)
        if rows is not None and len(rows) and np.isin(rows, (-1.0, 0.0, 1.0)).all():
            return intervals.paired(rows)
        return intervals.bootstrap(gap, self.seed, self.resamples, self.n, self.groups)


def drawn(recipe: Recipe, count: int, rows: Rows) -> Draw:
    """How intervals are drawn: over groups where rows were split by group and the groups are known."""
    split = recipe.data.split
    column = str(split.column) if split.by == "group" else ""
    codes = None
    if column in rows and count:
        codes = np.unique([str(value) for value in rows[column]], return_inverse=True)[1]
    return Draw(n=count, seed=recipe.seed, resamples=recipe.evaluate.bootstrap, groups=codes)


def known(value: float, low: float, high: float) -> dict[str, float | None]:
    """{value, low, high} as JSON: what is not a number is null."""
    ends = {"value": value, "low": low, "high": high}
    return {name: float(end) if math.isfinite(end) else None for name, end in ends.items()}
