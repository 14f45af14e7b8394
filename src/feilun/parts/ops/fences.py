"""Robust limits of a column of numbers: what lies beyond is an outlier."""

from __future__ import annotations

import numpy as np

REACH = 3.0  # quartile distances beyond the quartiles: "far out" (Tukey 1977, Exploratory Data Analysis, section 2D)


def fences(known: np.ndarray) -> tuple[float, float] | None:
    """(low, high), float64, of values without gaps; None where the middle half is one value."""
    if not len(known):
        return None
    low, high = (float(edge) for edge in np.quantile(known, (0.25, 0.75)))
    reach = REACH * (high - low)
    return (low - reach, high + reach) if reach > 0 else None
