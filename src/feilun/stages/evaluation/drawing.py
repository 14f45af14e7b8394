"""How intervals are drawn, and how their ends are written down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


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


def known(value: float, low: float, high: float) -> dict[str, float | None]:
    """{value, low, high} as JSON: what is not a number is null."""
    ends = {"value": value, "low": low, "high": high}
    return {name: float(end) if math.isfinite(end) else None for name, end in ends.items()}
