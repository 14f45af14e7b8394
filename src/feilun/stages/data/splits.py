"""Who learns, who stops, who judges: rows dealt once by a hash of what makes them the same, and never moved.

A row's place depends on the seed and on its own identity alone. So equal rows always land on one side, and rows that
come later move nobody. Given test and validation rows stay where they were given; training rows equal to them leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Split
from feilun.parts.dataset import SPLITS
from feilun.stages.data import hashing
from feilun.stages.data.raw import DEALT

TRAIN, VALIDATION, GATE, TEST = (SPLITS.index(name) for name in ("train", "validation", "gate", "test"))
OUT = -2  # a training row that equals a given test or validation row
LEAST_TRAIN = 2  # different rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Dealt:
    """splits: int8 (N,), an index into SPLITS or OUT.  facts: counts for the manifest and for people."""

    splits: np.ndarray
    facts: Mapping[str, int]


def deal(keys: np.ndarray, given: np.ndarray, shares: Split, seed: int, labels: np.ndarray | None = None) -> Dealt:
    """Splits of rows whose identity hashes are `keys` (uint64).

    labels: int64 class codes (N,), -1 where there is none; a class that no training row has is moved to training.
    Raises DataError if a needed split would stay empty, saying how many rows it takes.
    """
    splits = _kept(keys, given)
    shares_of = _shares(shares, given)
    free = np.flatnonzero(splits == DEALT)
    different, place = np.unique(keys[free], return_inverse=True)
    draws = hashing.unit(hashing.mix(different ^ hashing.mix(np.full(len(different), seed, np.uint64))))
    dealt, by_order = _by_share(draws, shares_of)
    splits[free] = dealt[place]
    facts = {
        "duplicates": len(keys) - len(np.unique(keys)),
        "left_out_equal_to_given": int((splits == OUT).sum()),
        "moved_for_rare_classes": _teach_all_classes(splits, keys, labels, given),
        "too_few_to_deal_by_hash": int(by_order),
    }
    _check(splits, shares_of, len(different))
    return Dealt(splits=splits, facts=facts)


def _kept(keys: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Given splits, with every lesser row that equals a test row, or then a validation row, marked OUT."""
    splits = given.astype(np.int8).copy()
    for split in (TEST, VALIDATION):
        if (given == split).any():
            lesser = (splits != split) & (splits != OUT) & (splits != TEST)
            splits[lesser & np.isin(keys, keys[given == split])] = OUT
    return splits


def _shares(shares: Split, given: np.ndarray) -> dict[int, float]:
    """{split: share} of what is dealt besides training; a given split has none."""
    wanted = {TEST: shares.test, GATE: shares.gate, VALIDATION: shares.validation}
    if sum(wanted.values()) >= 1:
        raise RecipeError(
            f"data.split leaves nothing for training: test {shares.test}, gate {shares.gate} and validation "
            f"{shares.validation} make {sum(wanted.values()):g}. Make them smaller.",
            where="data.split",
            expected="a sum below 1",
            got=f"{sum(wanted.values()):g}",
            fix="make the shares smaller",
        )
    return {split: share for split, share in wanted.items() if share > 0 and not (given == split).any()}


def _by_share(draws: np.ndarray, shares: Mapping[int, float]) -> tuple[np.ndarray, bool]:
    """Splits of different rows from draws in [0, 1); in order of their draws where a split would stay empty."""
    splits = np.full(len(draws), TRAIN, np.int8)
    low = 0.0
    for split, share in shares.items():
        splits[(draws >= low) & (draws < low + share)] = split
        low += share
    counts = np.bincount(splits, minlength=len(SPLITS))
    needed = len(shares) + LEAST_TRAIN
    if len(draws) < needed or (counts[TRAIN] >= LEAST_TRAIN and all(counts[split] for split in shares)):
        return splits, False
    order = np.argsort(draws, kind="stable")
    splits[:] = TRAIN
    start, spare = 0, len(draws) - needed
    for split, share in shares.items():
        extra = min(spare, max(0, round(share * len(draws)) - 1))
        splits[order[start : start + 1 + extra]] = split
        start, spare = start + 1 + extra, spare - extra
    return splits, True


def _teach_all_classes(splits: np.ndarray, keys: np.ndarray, labels: np.ndarray | None, given: np.ndarray) -> int:
    """Move every row of a class that training would not see into training, with its equals; how many moved."""
    if labels is None:
        return 0
    moved = 0
    seen = np.unique(labels[splits == TRAIN])
    unseen = np.setdiff1d(np.unique(labels[(labels >= 0) & (given == DEALT) & (splits >= 0)]), seen)
    for label in unseen:
        whole = np.isin(keys, keys[labels == label]) & (given == DEALT) & (splits >= 0)
        moved += int((whole & (splits != TRAIN)).sum())
        splits[whole] = TRAIN
    return moved


def _check(splits: np.ndarray, shares: Mapping[int, float], different: int) -> None:
    empty = [SPLITS[split] for split in (TRAIN, *shares) if not (splits == split).any()]
    needed = len(shares) + LEAST_TRAIN
    if not empty and different >= needed:
        return
    names = ", ".join(SPLITS[split] for split in sorted((TRAIN, *shares)))
    left = int((splits == OUT).sum())
    because = f" {left:,} rows were left out because they equal given test or validation rows." if left else ""
    raise DataError(
        f"There are {different} different rows to deal into {names}: at least {needed} are needed, and hundreds for a "
        f"score worth reading.{because} Add rows, or set shares in data.split to 0.",
        where="data.source",
        expected=f"at least {needed} different rows",
        got=f"{different}",
        fix="add rows",
    )
