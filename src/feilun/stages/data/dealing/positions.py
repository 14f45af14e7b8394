"""Where a row stands between 0 and 1: shares of the split, and folds, are stretches of that line.

By hash the position is drawn from the row's identity alone. Filled positions give every stratum, or a handful of large
groups, its exact share: units stand in drawn order, each as wide as it has rows. In time they stand newest first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from feilun.parts.dataset import SPLITS
from feilun.stages.data.alike import hashing

TRAIN = SPLITS.index("train")
LEAST_TRAIN = 2  # different rows


def drawn(units: np.ndarray, seed: int, salt: int = 0) -> np.ndarray:
    """float64 in [0, 1) for each unit (uint64): a function of unit, seed and salt alone."""
    seeds = hashing.mix(np.full(len(units), seed, np.uint64))
    if salt:
        seeds ^= hashing.mix(np.full(len(units), salt, np.uint64) + np.uint64(0x5A17))
    return hashing.unit(hashing.mix(units ^ seeds))


def filled(units: np.ndarray, draws: np.ndarray, strata: np.ndarray | None) -> np.ndarray:
    """float64 (N,) in (0, 1): the middle of each row's unit when its stratum's units lie one after the other.

    units: uint64 (N,).  draws: float64 (N,), equal within a unit.  strata: int64 (N,); the unit's first row decides.
    """
    different, first, place, sizes = np.unique(units, return_index=True, return_inverse=True, return_counts=True)
    stratum = np.zeros(len(different), np.int64) if strata is None else strata[first]
    order = np.lexsort((different, draws[first], stratum))
    ends = np.cumsum(sizes[order])
    starts = np.concatenate([[True], stratum[order][1:] != stratum[order][:-1]])
    before = (ends - sizes[order])[starts][np.cumsum(starts) - 1]  # rows in earlier strata
    totals = np.bincount(np.cumsum(starts) - 1, sizes[order])[np.cumsum(starts) - 1]
    middles = np.empty(len(different))
    middles[order] = (ends - before - sizes[order] / 2) / totals
    return np.asarray(middles[place])


def newest_first(times: np.ndarray) -> np.ndarray:
    """float64 (N,) in (0, 1): 0 is the newest; equal times have one position. times: int64 (N,) ranks."""
    _, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    middles = 1 - (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    return np.asarray(middles[place])


def by_share(places: np.ndarray, shares: Mapping[int, float]) -> tuple[np.ndarray, bool]:
    """Splits of units from positions in [0, 1); in order of their positions where a split would stay empty."""
    splits = np.full(len(places), TRAIN, np.int8)
    low = 0.0
    for split, share in shares.items():
        splits[(places >= low) & (places < low + share)] = split
        low += share
    counts = np.bincount(splits, minlength=len(SPLITS))
    needed = len(shares) + LEAST_TRAIN
    if len(places) < needed or (counts[TRAIN] >= LEAST_TRAIN and all(counts[split] for split in shares)):
        return splits, False
    order = np.argsort(places, kind="stable")
    splits[:] = TRAIN
    start, spare = 0, len(places) - needed
    for split, share in shares.items():
        extra = min(spare, max(0, round(share * len(places)) - 1))
        splits[order[start : start + 1 + extra]] = split
        start, spare = start + 1 + extra, spare - extra
    return splits, True
