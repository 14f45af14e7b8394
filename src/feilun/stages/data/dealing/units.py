"""What besides a row's own content decides its side of the split, and which rows go there together."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from feilun.stages.data.alike import near

OUT = -2  # a training row that equals a given test or validation row, or a later one
SPARED = -3  # a training row beyond the part that is used
TIMELESS = -5  # its time is missing
OUT_GROUP = -6  # a training row whose group has given test or validation rows
CHAINED = 0.1  # share of the rows in one unit from which equal rows are said to chain the groups together


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """Arrays of N rows, each where it is asked for.

    strata: int64 codes, whose shares stay the same.  groups: uint64, one for each value of the group column.
    times: int64 ranks, -1 where the time is missing.  near: uint64 keys of near-duplicates.  shared: uint64 keys of
    rows that share a long text or a picture, near-duplicates among them.
    """

    strata: np.ndarray | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    near: np.ndarray | None = None
    shared: np.ndarray | None = None

    def same(self, keys: np.ndarray) -> list[np.ndarray]:
        """What may make two rows the same: first what is asked, at last the least."""
        found = [self.shared, self.near if self.near is not None else keys]
        return [one for one in found if one is not None]

    def of(self, rows: np.ndarray) -> Sides:
        """The same of some rows."""
        parts = {item.name: getattr(self, item.name) for item in fields(self)}
        return Sides(**{name: None if values is None else values[rows] for name, values in parts.items()})


def unit_keys(keys: np.ndarray, sides: Sides, *, grouped: bool) -> np.ndarray:
    """uint64 (N,): equal for rows that must stay together.

    Groups that share equal rows would become one; where that chains a tenth of all rows together and more than the
    largest group has, as in a small table of few values, the groups alone count.
    """
    wanted = sides.same(keys)
    if not grouped or sides.groups is None:
        return wanted[0]
    _, group = np.unique(sides.groups, return_inverse=True)
    for same in wanted:
        _, equal = np.unique(same, return_inverse=True)
        pairs = np.stack([group, equal + group.max(initial=0) + 1], axis=1)
        whole = near.components(pairs, int(pairs.max(initial=0)) + 1)[group]
        if np.bincount(whole).max(initial=0) <= max(CHAINED * len(keys), np.bincount(group).max(initial=0)):
            return near.first_keys(whole, sides.groups)
    return np.asarray(sides.groups)


def across(splits: np.ndarray, same: np.ndarray) -> int:
    """How many dealt rows have the same as a row on another side. same: uint64 (N,)."""
    dealt = splits >= 0
    pairs = np.unique(np.stack([same[dealt], splits[dealt].astype(np.uint64)]), axis=1)
    values, counts = np.unique(pairs[0], return_counts=True)
    return int(np.isin(same[dealt], values[counts > 1]).sum())
