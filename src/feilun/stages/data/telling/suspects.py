"""What looks like a mistake in numbers: other units, placeholders, nothing left but one value. Told, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from feilun.parts.ops.threads import in_order
from feilun.stages.data.cleaning import Line, line
from feilun.stages.data.telling import spellings

MOST_SEEN = 50_000  # rows, evenly spaced, from which a column's bulk is learnt
UNITS = {  # a value in the other unit, over one in the unit of the rest
    10.0: "millimetres among centimetres",
    100.0: "centimetres among metres, or cents",
    1000.0: "grams among kilograms, metres among kilometres, or thousands",
    1_000_000.0: "units among millions",
    2.54: "centimetres among inches",
    0.3048: "metres among feet",
    3.28084: "feet among metres",
    2.20462: "pounds among kilograms",
    1.60934: "kilometres among miles",
    60.0: "minutes among hours, or seconds among minutes",
}
FEW = 0.1  # share of the values that may be in another unit: more are no slip
LEAST = 3  # values
LEAST_DIFFERENT = 20  # grades and codes have no unit
APART = 0.5  # of the way between the two medians must be empty, on a scale of logarithms
ALIKE = 0.1  # the others must lie this near the rest when divided: log distance of the medians over log of the factor
# What people and programs write for "not known"; -1 and 99 also where nothing else in the column comes near.
PLACEHOLDERS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
PILED = 0.001  # share of the rows from which a placeholder piles up


def find(table: pa.Table, kinds: Mapping[str, str], train: np.ndarray, missing: Sequence[str]) -> list[Line]:
    """Suspects in columns of kinds number, category and time.

    train: bool (N,), the rows that decide.  missing: data.missing.
    """
    rows = np.flatnonzero(train)
    thin = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_SEEN)).astype(np.int64)] if len(rows) else rows
    mask = pa.array(train)

    def of_column(name: str) -> list[Line]:
        column = table.column(name)
        if kinds[name] == "number":
            return list(_of_numbers(name, column.to_numpy(), thin, missing))
        if kinds[name] == "category":
            return spellings.find(name, column.filter(mask), missing)
        return spellings.placeholders(name, column, missing) if kinds[name] == "time" else []

    return [line for lines in in_order(of_column, kinds) for line in lines]


def _of_numbers(name: str, values: np.ndarray, thin: np.ndarray, missing: Sequence[str]) -> Iterator[Line]:
    seen = values[thin]
    seen = seen[~np.isnan(seen)]
    if len(seen) and (seen == seen[0]).all():
        why = f"every training row has {seen[0]:g}: nothing can be learnt from it"
        yield line("constant", len(thin), "kept", why, column=name, key=f"data.drop: [{name}]")
        return
    placeholder = _placeholder(seen)
    if placeholder is not None:
        count = int((values == placeholder).sum())
        why = f"{placeholder:g} piles up where no other value is: it may stand for missing"
        yield line(
            "placeholder", count, "kept", why, column=name, key=spellings.missing_too(missing, [f"{placeholder:g}"])
        )
        seen = seen[seen != placeholder]
    found = _other_unit(seen)
    if found is not None:
        factor, low, high, median = found
        with np.errstate(invalid="ignore"):
            count = int(((values >= low) & (values <= high) & (values != placeholder)).sum())
        words = next((words for known, words in UNITS.items() if known == factor), "")
        words = words or f"{next(words for known, words in UNITS.items() if known == 1 / factor)}, the other way round"
        why = f"about {factor:g} times the rest (median {median:.4g}), such as {low:g}: {words}?"
        yield line("unit suspects", count, "kept", why, column=name, key="correct the rows")


def _placeholder(seen: np.ndarray) -> float | None:
    """A usual placeholder that is far from everything else and comes often."""
    for value in PLACEHOLDERS:
        same = seen == value
        count = int(same.sum())
        if count < max(LEAST, PILED * len(seen)) or count == len(seen):
            continue
        rest = seen[~same]
        low, high = float(rest.min()), float(rest.max())
        reach = max(float(np.subtract(*np.quantile(rest, (0.9, 0.1)))), 1e-12)
        outside = value < low - reach if value < 0 else value > high + reach
        if outside or (value == -1.0 and low >= 0 and count >= 0.01 * len(seen)):
            return value
    return None


def _other_unit(seen: np.ndarray) -> tuple[float, float, float, float] | None:
    """(factor, least, greatest, median of the rest) of a few values that are a unit's factor away from the rest."""
    positive = seen[seen > 0]
    if len(positive) < 0.95 * len(seen) or len(np.unique(positive)) < LEAST_DIFFERENT:
        return None
    logs = np.sort(np.log(positive))
    few = int(FEW * len(logs))
    steps = np.diff(logs)
    for place in (int(steps[:few].argmax()) + 1, len(logs) - few + int(steps[-few:].argmax())):  # the widest gaps
        below, above = logs[:place], logs[place:]
        others, rest = (below, above) if len(below) < len(above) else (above, below)
        distance = float(np.median(others) - np.median(rest))
        spread = max(float(np.subtract(*np.quantile(rest, (0.75, 0.25)))), 1e-3)
        wide = float(np.subtract(*np.quantile(others, (0.75, 0.25)))) > 1.5 * spread
        if len(others) < LEAST or wide or above[0] - below[-1] < APART * abs(distance):
            continue
        factor = min((f for known in UNITS for f in (known, 1 / known)), key=lambda f: abs(np.log(f) - distance))
        if abs(np.log(factor) - distance) <= max(ALIKE * abs(np.log(factor)), 0.35 * spread):
            values = np.exp(others)
            return factor, _near(seen, values.min()), _near(seen, values.max()), float(np.exp(np.median(rest)))
    return None


def _near(seen: np.ndarray, value: float) -> float:
    """The column's own number, before the logarithm and back."""
    return float(seen[np.argmin(np.abs(seen - value))])
