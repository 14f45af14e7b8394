"""Numbers: standardised, or where a column is skewed mapped to a normal distribution; missing ones marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Rows

TRANSFORMS = ("auto", "quantile", "standard", "none")
FEW = 16  # columns with no more distinct values than this are steps, not a distribution: auto standardises them
LIMIT = 1e6  # encoded values stay within this, so that one wild cell cannot overflow float32


@dataclass(frozen=True, kw_only=True)
class Number:
    """Several number columns as one array, float32 (N, width): the columns, then one 0/1 for each that had gaps.

    transform: "quantile" maps ranks to a normal distribution, linear between at most `knots` knots; "standard"
    subtracts the mean and divides by the standard deviation; "none" leaves the numbers; "auto" is "quantile" where a
    column has many values, else "standard".  A missing or infinite number is encoded as 0, the middle.
    target: what is predicted: always "standard" or "none", `decode` leads back, and a missing number is an error.
    """

    kind: ClassVar[str] = "number"

    columns: tuple[str, ...]
    transform: str = "auto"
    knots: int = 1000
    target: bool = False
    scales: tuple[Mapping[str, Any], ...] = ()  # per column, fitted: {mean, scale, gaps, values, scores}

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "scales", tuple(self.scales))
        if self.transform not in TRANSFORMS:
            raise RecipeError(
                f"transform {self.transform!r} of {', '.join(self.columns)} is not one of {', '.join(TRANSFORMS)}.",
                where=f"inputs.{self.columns[0]}.transform",
                expected=", ".join(TRANSFORMS),
                got=str(self.transform),
                fix="use auto",
            )

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.scales)

    @property
    def width(self) -> int:
        """Numbers per row that `encode` gives."""
        return len(self.columns) + len(self._gaps)

    @property
    def names(self) -> tuple[str, ...]:
        """What each of the `width` numbers is, for people."""
        return (*self.columns, *(f"{self.columns[place]} is missing" for place in self._gaps))

    def fit(self, rows: Rows) -> Number:
        """Learn scale and gaps of each column. Raises DataError if a column has no number, a target has a gap."""
        return replace(self, scales=tuple(self._scale(column, rows[column]) for column in self.columns))

    def encode(self, rows: Rows) -> np.ndarray:
        """float32 (N, width). Raises DataError if a value is no number, or a target is missing."""
        parts = [numbers(column, rows[column]) for column in self.columns]
        if self.target:
            for column, part in zip(self.columns, parts, strict=True):
                _no_gaps(column, part)
        scaled = [_scaled(part, scale) for part, scale in zip(parts, self.scales, strict=True)]
        gaps = [np.isnan(parts[place]).astype(np.float64) for place in self._gaps]
        return np.stack([*scaled, *gaps], axis=1).astype(np.float32)

    def decode(self, encoded: np.ndarray) -> np.ndarray:
        """float64 (N, columns): encoded target numbers in the column's own unit."""
        mean, scale = (np.array([item[key] for item in self.scales]) for key in ("mean", "scale"))
        return np.asarray(encoded, np.float64) * scale + mean

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @cached_property
    def _gaps(self) -> tuple[int, ...]:
        return () if self.target else tuple(place for place, scale in enumerate(self.scales) if scale["gaps"])

    def _scale(self, column: str, values: Sequence[Any]) -> dict[str, Any]:
        found = numbers(column, values)
        if self.target:
            _no_gaps(column, found)
        known = found[~np.isnan(found)]
        if not len(known):
            raise DataError(
                f"Column {column!r} has no number in its {len(found):,} training rows. Fill it, or add it to data.drop.",
                where=column,
                expected="at least one number",
                got="none",
                fix=f"data.drop: [{column}]",
            )
        scale: dict[str, Any] = {"mean": 0.0, "scale": 1.0, "gaps": len(known) < len(found), "values": [], "scores": []}
        if self.transform == "none":
            return scale
        values_, counts = np.unique(known, return_counts=True)
        wanted = self.transform == "quantile" or (self.transform == "auto" and len(values_) > FEW)
        if wanted and not self.target and len(values_) > 1:
            return scale | _knots(values_, counts, self.knots)
        largest = float(np.abs(known).max()) or 1.0  # squares of numbers near the end of float64 would overflow
        deviation = float((known / largest).std()) * largest
        small = deviation <= 1e-12 * largest
        return scale | {"mean": float((known / largest).mean()) * largest, "scale": 1.0 if small else deviation}


FEATURE = Number


def numbers(column: str, values: Sequence[Any]) -> np.ndarray:
    """float64 (N,): missing, infinite and not-a-number as NaN; numeric text is read. Raises DataError for other text."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.array([_number(column, value) for value in values], dtype=np.float64)
    if found.ndim != 1:
        raise _wrong(column, values[0])
    found[~np.isfinite(found)] = np.nan
    return found


def _number(column: str, value: Any) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong(column, value) from error


def _wrong(column: str, value: Any) -> DataError:
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"
    return DataError(
        f"Column {column!r} holds numbers; {shown} is not one. Correct the row, add the text to data.missing, "
        f"or make the column a category.",
        where=column,
        expected="a number, numeric text or null",
        got=shown,
        fix="correct the value",
    )


def _no_gaps(column: str, found: np.ndarray) -> None:
    if np.isnan(found).any():
        raise DataError(
            f"Target {column!r} is missing in {int(np.isnan(found).sum()):,} of {len(found):,} rows. "
            "Fill it in, or leave these rows out.",
            where=column,
            expected="a finite number in every row",
            got="missing",
            fix="leave these rows out",
        )


def _scaled(values: np.ndarray, scale: Mapping[str, Any]) -> np.ndarray:
    """NaN becomes 0, the middle of a scaled column. (An unscaled one: 0 too, and the gap's own column says so.)"""
    if scale["values"]:
        scaled = np.interp(values, scale["values"], scale["scores"])
    else:
        scaled = np.clip((values - scale["mean"]) / scale["scale"], -LIMIT, LIMIT)
    return np.where(np.isnan(values), 0.0, scaled)


def _knots(values: np.ndarray, counts: np.ndarray, most: int) -> dict[str, Any]:
    """Distinct values and the normal score of their middle rank: ties share one, as a rank test would have it."""
    share = (np.cumsum(counts) - counts / 2) / counts.sum()
    if len(values) > most:
        kept = np.unique(np.searchsorted(share, np.linspace(share[0], share[-1], most)))
        values, share = values[kept], share[kept]
    normal = NormalDist()
    return {"values": values.tolist(), "scores": [normal.inv_cdf(float(s)) for s in share]}
