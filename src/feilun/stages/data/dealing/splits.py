"""Who learns, who stops, who judges: rows dealt once by what makes them the same, and never moved.

By default a row's place depends on the seed and on its own identity alone. So equal rows always land on one side, and
rows that come later move nobody. Given test and validation rows stay where they were given; training rows equal to
them leave. Rows are dealt in units that stay together: equal rows, nearly equal ones, groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Split
from feilun.parts.dataset import SPLITS
from feilun.stages.data.dealing import folds, positions
from feilun.stages.data.dealing.units import OUT, OUT_GROUP, SPARED, TIMELESS, Sides, across, unit_keys
from feilun.stages.data.reading.raw import DEALT

TRAIN, VALIDATION, GATE, TEST = (SPLITS.index(name) for name in ("train", "validation", "gate", "test"))
LEAST_TRAIN = positions.LEAST_TRAIN
SALT_PART = 1
MOST_OUT = 0.5  # of the rows that learn: more do not leave because of a shared text or picture
UNITS = {"hash": "rows", "stratified": "rows", "group": "groups", "time": "times"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Dealt:
    """splits: int8 (N,), an index into SPLITS or below 0.  facts: counts for the manifest and for people."""

    splits: np.ndarray
    facts: Mapping[str, int]


def deal(
    keys: np.ndarray,
    given: np.ndarray,
    shares: Split,
    seed: int,
    labels: np.ndarray | None = None,
    sides: Sides | None = None,
) -> Dealt:
    """Splits of rows whose identity hashes are `keys` (uint64).

    labels: int64 class codes (N,), -1 where there is none; a class that no training row has is moved to training.
    Raises DataError if a needed split would stay empty, saying how many rows it takes; RecipeError for settings that
    contradict each other.
    """
    sides = sides or Sides()
    check(shares, given)
    units = unit_keys(keys, sides, grouped=shares.by == "group")
    same = sides.same(keys)
    splits = _least(given, [_kept(one, given, sides) for one in same])
    free = np.flatnonzero(splits == DEALT)
    shares_of = _shares(shares, given)
    in_turn, different = _deal(splits, free, units, shares, shares_of, seed, sides)
    moved = _teach_all_classes(splits, units, labels, given, shares)
    facts = {
        "duplicates": len(keys) - (different if units is keys and len(free) == len(keys) else len(np.unique(keys))),
        "left_out_equal_to_given": int((splits == OUT).sum()),
        "left_out_group_of_given": int((splits == OUT_GROUP).sum()),
        "left_out_later_than_test": int((splits == folds.LATER).sum()),
        "left_out_without_time": int((splits == TIMELESS).sum()),
        "moved_for_rare_classes": moved,
        "too_few_to_deal_by_hash": int(in_turn),
        "apart_across_groups": across(splits, same[-1]) if shares.by in ("group", "time") else 0,
        "shared_on_several_sides": across(splits, same[0]) if len(same) > 1 else 0,
    }
    _spare(splits, units, labels, shares.part, seed)
    facts["left_out_by_part"] = int((splits == SPARED).sum())
    if shares.each is not None:
        _spare_but(splits, units, labels, shares.each, seed)
        facts["left_out_by_each"] = int((splits == SPARED).sum()) - facts["left_out_by_part"]
    _check(splits, shares_of, different, shares)
    return Dealt(splits=splits, facts=facts)


def check(shares: Split, given: np.ndarray | None = None) -> None:
    """Raises RecipeError for settings of data.split that contradict each other, or the given rows."""
    if shares.by in ("group", "time") and shares.column is None:
        raise _wrong(f"by is {shares.by}, and column is missing", "column", "the column with it", "data.split.column")
    if shares.by in ("hash", "stratified") and shares.column is not None:
        raise _wrong(f"column is {shares.column!r}, and by is {shares.by}", "by", "group or time", "by: group")
    if shares.folds is None and shares.fold:
        raise _wrong(f"fold is {shares.fold}, and folds is missing", "folds", "how many folds there are", "folds: 5")
    if shares.folds is not None and shares.fold >= shares.folds:
        last = shares.folds - 1
        raise _wrong(f"fold is {shares.fold} of {shares.folds} folds", "fold", f"0 to {last}", f"fold: {last}")
    if shares.folds is not None and given is not None and (given == TEST).any():
        raise _wrong("folds are asked for, and test rows are given", "folds", "one of the two", "leave out folds")


def _wrong(what: str, key: str, expected: str, fix: str) -> RecipeError:
    return RecipeError(
        f"data.split: {what}. Expected: {expected} ({fix}).",
        where=f"data.split.{key}",
        expected=expected,
        got=what,
        fix=fix,
    )


def _deal(
    splits: np.ndarray,
    free: np.ndarray,
    units: np.ndarray,
    shares: Split,
    shares_of: Mapping[int, float],
    seed: int,
    sides: Sides,
) -> tuple[bool, int]:
    """Writes the splits of the free rows; whether so few units were dealt in turn, and how many units there are."""
    if shares.by == "time" and shares.folds is None:
        return False, _by_time(splits, free, shares_of, sides)
    if shares.folds is not None:
        splits[free] = folds.deal(units[free], shares, seed, sides.of(free))
        return False, len(np.unique(units[free] if sides.times is None else sides.times))
    different, first, place = np.unique(units[free], return_index=True, return_inverse=True)
    places = positions.drawn(different, seed)
    if shares.by != "hash":
        strata = sides.strata[free] if shares.by == "stratified" and sides.strata is not None else None
        places = positions.filled(units[free], places[place], strata)[first]
    dealt, in_turn = positions.by_share(places, shares_of)
    splits[free] = dealt[place]
    return in_turn and shares.by == "hash", len(different)


def _by_time(splits: np.ndarray, free: np.ndarray, shares_of: Mapping[int, float], sides: Sides) -> int:
    """Oldest rows train, the newest are tested; copies of later texts and pictures leave. Returns how many times."""
    times = np.zeros(len(splits), np.int64) if sides.times is None else sides.times
    splits[free[times[free] < 0]] = TIMELESS
    free = free[times[free] >= 0]
    _, first, place = np.unique(times[free], return_index=True, return_inverse=True)
    dealt, _ = positions.by_share(positions.newest_first(times[free])[first], shares_of)
    splits[free] = dealt[place]
    looked = [one for one in (sides.shared, sides.near) if one is not None]
    left = [np.where((splits == TRAIN) & np.isin(one, one[splits > TRAIN]), OUT, splits) for one in looked]
    splits[:] = _least(splits, left)
    return len(first)


def _least(before: np.ndarray, ways: list[np.ndarray]) -> np.ndarray:
    """The first of these ways to leave rows out that leaves enough of those who learn, or else the last.

    Where most rows share a text or a picture with a judged row, it describes what they have in common, such as a
    product that is sold every day.
    """
    for way in ways:
        if (way == OUT).sum() <= MOST_OUT * (before <= TRAIN).sum():
            return way
    return ways[-1] if ways else before


def _kept(keys: np.ndarray, given: np.ndarray, sides: Sides) -> np.ndarray:
    """Given splits, with every lesser row that equals a test row, or then a validation row, marked OUT."""
    splits = given.astype(np.int8).copy()
    for split in (TEST, VALIDATION):
        if (given == split).any():
            lesser = (splits != split) & (splits >= DEALT) & (splits != TEST)
            splits[lesser & np.isin(keys, keys[given == split])] = OUT
            if sides.groups is not None:
                splits[lesser & (splits == DEALT) & np.isin(sides.groups, sides.groups[given == split])] = OUT_GROUP
    return splits


def _shares(shares: Split, given: np.ndarray) -> dict[int, float]:
    """{split: share} of what is dealt besides training; a given split has none."""
    wanted = {TEST: shares.test, GATE: shares.gate, VALIDATION: shares.validation}
    if shares.folds is not None:
        wanted = {TEST: 1 / (shares.folds + (shares.by == "time")), VALIDATION: shares.validation}
    if sum(wanted.values()) >= 1:
        raise RecipeError(
            f"data.split leaves nothing for training: test {wanted[TEST]:g}, gate {wanted.get(GATE, 0):g} and "
            f"validation {shares.validation} make {sum(wanted.values()):g}. Make them smaller.",
            where="data.split",
            expected="a sum below 1",
            got=f"{sum(wanted.values()):g}",
            fix="make the shares smaller",
        )
    return {split: share for split, share in wanted.items() if share > 0 and not (given == split).any()}


def _teach_all_classes(
    splits: np.ndarray, units: np.ndarray, labels: np.ndarray | None, given: np.ndarray, shares: Split
) -> int:
    """Move every row of a class that training would not see into training, with its unit; how many moved.

    In time nothing moves: what comes later was not known. Of folds the test stays whole.
    """
    if labels is None or shares.by == "time":
        return 0
    moved = 0
    movable = (given == DEALT) & (splits >= 0)
    if shares.folds is not None:
        movable &= splits != TEST
    seen = np.unique(labels[splits == TRAIN])
    unseen = np.setdiff1d(np.unique(labels[(labels >= 0) & movable]), seen)
    for label in unseen:
        whole = np.isin(units, units[(labels == label) & movable]) & movable
        moved += int((whole & (splits != TRAIN)).sum())
        splits[whole] = TRAIN
    return moved


def _spare(splits: np.ndarray, units: np.ndarray, labels: np.ndarray | None, part: float, seed: int) -> None:
    """Mark training rows beyond the part that is used; the first drawn of each class, and two in all, always stay.

    A row stays in every larger part, because its draw does not depend on the part.
    """
    if part >= 1:
        return
    train = np.flatnonzero(splits == TRAIN)
    draws = positions.drawn(units[train], seed, SALT_PART)
    order = np.argsort(draws, kind="stable")
    _, first = np.unique(units[train][order], return_index=True)
    stays = draws < part
    stays[np.isin(units[train], units[train][order][np.sort(first)[:LEAST_TRAIN]])] = True
    if labels is not None:
        _, first = np.unique(labels[train][order], return_index=True)
        stays |= np.isin(units[train], units[train][order][first])
    splits[train[~stays]] = SPARED


def _spare_but(splits: np.ndarray, units: np.ndarray, labels: np.ndarray | None, each: int, seed: int) -> None:
    """Mark all training rows but the first `each` drawn of every class; of equal rows one is enough."""
    if labels is None:
        raise RecipeError(
            f"data.split.each is {each}, and the target has no classes: it needs one label per row.",
            where="data.split.each",
            expected="one label per row",
            got=str(each),
            fix="data.split.part: 0.1",
        )
    train = np.flatnonzero(splits == TRAIN)
    _, first = np.unique(units[train], return_index=True)
    alone = train[first]
    alone = alone[np.argsort(positions.drawn(units[alone], seed, SALT_PART), kind="stable")]
    kept = [alone[labels[alone] == label][:each] for label in np.unique(labels[alone])]
    splits[np.setdiff1d(train, np.concatenate(kept))] = SPARED


def _check(splits: np.ndarray, shares: Mapping[int, float], different: int, split: Split) -> None:
    empty = [SPLITS[place] for place in (TRAIN, *shares) if not (splits == place).any()]
    units, windows = UNITS[split.by], int(split.by == "time")
    needed = max(len(shares) + LEAST_TRAIN, (split.folds + windows) if split.folds else 0)
    if not empty and different >= needed:
        return
    names = ", ".join(SPLITS[place] for place in sorted((TRAIN, *shares)))
    names = f"{split.folds} folds" if split.folds else names
    left = int(np.isin(splits, (OUT, OUT_GROUP)).sum())
    because = f" {left:,} rows were left out because they equal given test or validation rows." if left else ""
    raise DataError(
        f"There are {different} different {units} to deal into {names}: at least {needed} are needed, and hundreds for "
        f"a score worth reading.{because} Add rows, or set shares in data.split to 0.",
        where="data.source",
        expected=f"at least {needed} different {units}",
        got=f"{different}",
        fix="add rows",
    )
