"""Numbers beyond robust limits of the training rows: counted, and where asked for marked, clipped or dropped.

The limits are Tukey's outer fences (parts/ops/fences.py), three quartile distances beyond the quartiles: they do not
move with the outliers themselves, as three standard deviations do, and they ask for no normal distribution. A column
of which half is one value has none. The number feature marks and clips, when answering too; here rows are dropped and
everything is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feilun.parts.ops.fences import fences
from feilun.parts.ops.threads import in_order
from feilun.stages.data.cleaning import Line, line

MOST_LEARNT = 100_000  # training rows, evenly spaced, from which limits are learnt where they only count
DONE = {"keep": "kept", "mark": "marked for the network", "clip": "set to the limit", "drop": "dropped from training"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Beyond:
    """lines: one for each column with outliers.  rows: bool (N,), where any column is beyond its limits."""

    lines: tuple[Line, ...]
    rows: np.ndarray


def find(table: pa.Table, columns: Sequence[str], train: np.ndarray, done: str) -> Beyond:
    """Outliers of float64 columns. train: bool (N,), the rows from which limits are learnt. done: data.outliers."""
    rows, lines = np.zeros(table.num_rows, bool), []
    places = np.flatnonzero(train)
    if done == "keep" and len(places) > MOST_LEARNT:
        places = places[np.linspace(0, len(places) - 1, MOST_LEARNT).astype(np.int64)]

    def of_column(name: str) -> tuple[np.ndarray, tuple[float, float], np.ndarray] | None:
        values = table.column(name).to_numpy()
        learnt = values[places]
        limits = fences(learnt[~np.isnan(learnt)])
        if limits is None:
            return None
        with np.errstate(invalid="ignore"):
            return values, limits, (values < limits[0]) | (values > limits[1])

    for name, found in zip(columns, in_order(of_column, columns), strict=True):
        if found is None:
            continue
        values, limits, beyond = found
        count = int((beyond & train).sum() if done == "drop" else beyond.sum())
        if not count:
            continue
        rows |= beyond
        known = values[beyond]
        furthest = known[np.argmax(np.abs(known - (limits[0] + limits[1]) / 2))]
        why = f"beyond {limits[0]:.4g} to {limits[1]:.4g}, such as {furthest:.6g}"
        lines.append(line("outliers", count, DONE[done], why, column=name, key=_key(done)))
    return Beyond(lines=tuple(lines), rows=rows)


def _key(done: str) -> str:
    return "data.outliers: clip" if done == "keep" else "data.outliers: keep"
