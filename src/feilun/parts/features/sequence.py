"""Sequences: a list of numbers, or of steps of several numbers, scaled channel by channel; missing ones marked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.ops import missing
from feilun.parts.ops.ragged import Ragged

LIMIT = 1e6  # encoded values stay within this
LARGEST = 1e300  # numbers beyond are taken for this


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """One column of sequences as ragged float32 (steps, channels): the numbers, then 0/1 for each that had gaps.

    A cell is [1, 2, 3], or [[1, 20], [2, 21]] with several numbers a step, or that as JSON text; null is a number
    that is not known.  max_steps: the last so many are kept.  Standardised by mean and deviation of training rows; a
    missing number is 0, a missing or empty cell one step without numbers.  missing: data.missing: numbers in
    the steps, or the text of a cell, that say nothing.
    """

    kind: ClassVar[str] = "sequence"

    columns: tuple[str, ...]
    max_steps: int = 1000
    missing: tuple[str, ...] = ()
    scales: tuple[tuple[float, float, bool], ...] = ()  # per channel, fitted: mean, deviation, whether there were gaps
    example: tuple[tuple[float, ...], ...] = ()  # fitted: one step, the means

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "missing", tuple(self.missing))
        object.__setattr__(self, "scales", tuple(tuple(scale) for scale in self.scales))
        object.__setattr__(self, "example", tuple(tuple(step) for step in self.example))

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.scales)

    @property
    def channels(self) -> int:
        """Numbers a step that `encode` gives."""
        return len(self.scales) + len(self._gaps)

    @property
    def max_length(self) -> int:
        """Steps that a row has at most."""
        return self.max_steps

    def fit(self, rows: Rows) -> Sequence:
        """Learn scale and gaps of each channel. Raises DataError if there is no number, or steps differ in width."""
        values = self._read(rows).values
        if not np.isfinite(values).any():
            raise DataError(
                f"Column {self.columns[0]!r} has no number in {len(rows[self.columns[0]]):,} training rows. Fill it, "
                "or leave it out.",
                where=self.columns[0],
                expected="at least one number",
                got="none",
                fix=f"data.drop: [{self.columns[0]}]",
            )
        scales = tuple(_scale(channel) for channel in values.T)
        example = (tuple(float(f"{mean:.4g}") for mean, *_ in scales),)
        return replace(self, scales=scales, example=example)

    def encode(self, rows: Rows) -> Ragged:
        """float32 (total, channels). Raises DataError for what is no list of numbers."""
        found = self._read(rows)
        means, deviations, _ = (np.array(part, np.float64) for part in zip(*self.scales, strict=True))
        gap = np.isnan(found.values)
        scaled = np.clip((found.values - means) / deviations, -LIMIT, LIMIT)
        parts = [np.where(gap, 0.0, scaled), gap[:, self._gaps]]
        return Ragged(np.concatenate(parts, axis=1).astype(np.float32), found.offsets)

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    @property
    def _gaps(self) -> list[int]:
        return [place for place, (_, _, gaps) in enumerate(self.scales) if gaps]

    def _read(self, rows: Rows) -> Ragged:
        """float64 (total, channels), NaN where a number is missing; the last `max_steps` of each row."""
        column, absent = self.columns[0], missing.of(self.missing)
        cells = [steps(column, None if absent.says(value) else value) for value in rows[column]]
        width = len(self.scales) or max((cell.shape[1] for cell in cells if len(cell)), default=1)
        empty = np.full((1, width), np.nan)
        cells = [cell[-self.max_steps :] if len(cell) else empty for cell in cells]
        wrong = next((cell for cell in cells if cell.shape[1] != width), None)
        if wrong is not None:
            raise _wrong(column, wrong[0].tolist(), f"{width} numbers a step")
        found = Ragged.of(cells) if cells else Ragged(empty[:0], np.zeros(1, np.int64))
        found.values[~np.isfinite(found.values) | absent.among(found.values)] = np.nan
        return Ragged(np.clip(found.values, -LARGEST, LARGEST), found.offsets)


FEATURE = Sequence


def steps(column: str, value: Any) -> np.ndarray:
    """float64 (steps, channels), no step for a missing cell. Raises DataError for what is no list of numbers."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else None
        except ValueError as error:
            raise _wrong(column, value) from error
    if value is None or (isinstance(value, float) and value != value):
        return np.zeros((0, 1))
    if not isinstance(value, list | tuple | np.ndarray):
        raise _wrong(column, value)
    if len(value) == 0:
        return np.zeros((0, 1))
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError):
        found = _uneven(column, value)
    if found.ndim not in (1, 2) or found.shape[-1] == 0 or _has_text(value):
        raise _wrong(column, value)
    return found[:, None] if found.ndim == 1 else found


def _has_text(value: Any) -> bool:
    """numpy reads "1" as 1; a sequence does not hold texts. One look at the first step is enough to tell a type."""
    first = value[0]
    inner = first[0] if isinstance(first, list | tuple | np.ndarray) and len(first) else first
    return isinstance(inner, str | bool | np.bool_)


def _uneven(column: str, value: Any) -> np.ndarray:
    """Steps of which some are missing whole."""
    width = max((len(step) for step in value if isinstance(step, list | tuple | np.ndarray)), default=0)
    try:
        found = np.array([[None] * width if step is None else step for step in value], np.float64)
    except (TypeError, ValueError) as error:
        raise _wrong(column, value) from error
    return found


def _scale(values: np.ndarray) -> tuple[float, float, bool]:
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0, True
    largest = float(np.abs(known).max()) or 1.0  # squares of numbers near the end of float64 would overflow
    deviation = float((known / largest).std()) * largest
    mean = float((known / largest).mean()) * largest
    return mean, deviation if deviation > 1e-12 * largest else 1.0, len(known) < len(values)


def _wrong(column: str, value: Any, wanted: str = "a list of numbers, or a list of steps of equally many") -> DataError:
    shown = f"{value!r}" if len(f"{value!r}") <= 80 else f"{value!r:.80}…"
    return DataError(
        f"Column {column!r} holds sequences: {wanted} was expected, and {shown} came. Write it as [1.5, 2, null] or "
        "[[1, 20], [2, 21]]; null where it is not known.",
        where=column,
        expected=wanted,
        got=shown,
        fix="write it as [1.5, 2, null] or [[1, 20], [2, 21]]",
    )
