"""k-fold: every row is tested exactly once; in time the folds are windows that grow."""

from __future__ import annotations

import numpy as np

from feilun.core.recipe import Split
from feilun.parts.dataset import SPLITS
from feilun.stages.data.dealing import positions
from feilun.stages.data.dealing.units import TIMELESS, Sides

TRAIN, VALIDATION, TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))
LATER = -4  # in time: a row after the fold's test
SALT_VALIDATION, SALT_STRATA = 2, 3


def deal(units: np.ndarray, shares: Split, seed: int, sides: Sides) -> np.ndarray:
    """int8 (N,): test is fold `shares.fold`; validation is its share of the rest, and there is no gate.

    Which fold a row is in depends on the seed and on the rows, never on which fold is asked for.
    """
    if shares.by == "time" and sides.times is not None:
        return _windows(sides.times, shares)
    strata = sides.strata if shares.by == "stratified" else None
    count = int(shares.folds or 1)
    draws = positions.drawn(units, seed)
    places = positions.filled(units, draws, strata)
    if strata is not None:  # else the one row of every rare class would be in the same fold
        places = (places + positions.drawn(_of_first(strata, units).astype(np.uint64), seed, SALT_STRATA)) % 1
    fold = np.minimum((places * count).astype(np.int64), count - 1)
    if len(np.unique(fold)) < count:
        fold = _in_turn(units, draws, count)
    splits = np.where(fold == shares.fold, TEST, TRAIN).astype(np.int8)
    rest = np.flatnonzero(splits == TRAIN)
    if shares.validation and len(rest):
        again = positions.drawn(units[rest], seed, SALT_VALIDATION)
        _, first, place = np.unique(units[rest], return_index=True, return_inverse=True)
        places = positions.filled(units[rest], again, None if strata is None else strata[rest])[first]
        splits[rest] = positions.by_share(places, {VALIDATION: shares.validation})[0][place]
    return splits


def _of_first(strata: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The stratum of every row's unit: that of the unit's first row."""
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    return np.asarray(strata[first][place])


def _in_turn(units: np.ndarray, draws: np.ndarray, count: int) -> np.ndarray:
    """Folds of so few units that some fold would stay empty: one after the other in drawn order."""
    different, first, place = np.unique(units, return_index=True, return_inverse=True)
    turn = np.empty(len(different), np.int64)
    turn[np.argsort(draws[first], kind="stable")] = np.arange(len(different)) % count
    return np.asarray(turn[place])


def _windows(times: np.ndarray, shares: Split) -> np.ndarray:
    """folds + 1 stretches of time: fold k learns from the first k + 1 and is tested on the next."""
    splits = np.full(len(times), TIMELESS, np.int8)
    known = np.flatnonzero(times >= 0)
    count = int(shares.folds or 1) + 1
    block = ((1 - positions.newest_first(times[known])) * count).astype(np.int64)
    splits[known] = np.where(block == shares.fold + 1, TEST, np.where(block > shares.fold + 1, LATER, TRAIN))
    rest = known[block <= shares.fold]
    if shares.validation and len(rest):
        _, first, place = np.unique(times[rest], return_index=True, return_inverse=True)
        places = positions.newest_first(times[rest])[first]
        splits[rest] = positions.by_share(places, {VALIDATION: shares.validation})[0][place]
    return splits
