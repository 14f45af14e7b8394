"""Rows are dealt by what they are: equal rows on one side, later rows move nobody, every split has rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Split
from feilun.parts.dataset import SPLITS
from feilun.stages.data.alike import hashing
from feilun.stages.data.dealing import splits
from feilun.stages.data.dealing.units import Sides
from feilun.stages.data.reading.raw import DEALT

TRAIN, VALIDATION, GATE, TEST = range(4)


def keys(values: list[object]) -> np.ndarray:
    return hashing.rows(pa.table({"a": values}), ["a"])


def free(count: int) -> np.ndarray:
    return np.full(count, DEALT, np.int8)


def test_shares_are_kept_and_the_seed_matters() -> None:
    found = splits.deal(keys(list(range(20_000))), free(20_000), Split(), 0)
    shares = np.bincount(found.splits, minlength=4) / 20_000
    # 20,000 draws: the standard error of a share is at most 0.0035
    assert np.allclose(shares, [0.6, 0.1, 0.1, 0.2], atol=0.012)
    other = splits.deal(keys(list(range(20_000))), free(20_000), Split(), 1)
    assert (found.splits != other.splits).mean() > 0.4


def test_more_rows_move_nobody() -> None:
    few = splits.deal(keys(list(range(500))), free(500), Split(), 3).splits
    many = splits.deal(keys([*range(500), *range(9_000, 9_500)]), free(1000), Split(), 3).splits
    assert (few == many[:500]).all()


def test_equal_rows_stay_together() -> None:
    values = list(range(200)) * 5
    found = splits.deal(keys(values), free(1000), Split(), 0)
    assert (found.splits.reshape(5, 200) == found.splits[:200]).all()
    assert found.facts["duplicates"] == 800


def test_given_rows_stay_and_their_equals_leave() -> None:
    values = [*range(300), *range(5), 1000, 1001, *range(3, 8), 2000]
    given = np.concatenate([free(300), np.full(7, TEST, np.int8), np.full(6, VALIDATION, np.int8)])
    found = splits.deal(keys(values), given, Split(), 0)
    assert (found.splits[300:307] == TEST).all()
    assert (found.splits[:8] == splits.OUT).all()  # 0..4 are test rows, 3..7 validation rows
    assert found.splits[307:].tolist() == [splits.OUT, splits.OUT, *[VALIDATION] * 4]
    assert found.facts["left_out_equal_to_given"] == 10
    assert set(found.splits[8:300]) == {TRAIN, GATE}


@pytest.mark.parametrize("count", [5, 6, 8, 12])
def test_few_rows_are_dealt_in_turn(count: int) -> None:
    for seed in range(20):
        found = splits.deal(keys(list(range(count))), free(count), Split(), seed)
        assert set(found.splits) == {TRAIN, VALIDATION, GATE, TEST}
        assert (found.splits == TRAIN).sum() >= 2


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_rows(count: int) -> None:
    with pytest.raises(DataError, match=rf"{count} different rows .* at least 5 are needed"):
        splits.deal(keys([0] * 50 + list(range(count))), free(50 + count), Split(), 0)
    assert len(splits.deal(keys([0, 1]), free(2), Split(test=0, gate=0, validation=0), 0).splits) == 2


def test_everything_equals_the_test_rows() -> None:
    given = np.concatenate([free(50), np.full(50, TEST, np.int8)])
    with pytest.raises(DataError, match="50 rows were left out because they equal given"):
        splits.deal(keys(list(range(50)) * 2), given, Split(), 0)


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(RecipeError, match="leaves nothing for training"):
        splits.deal(keys(list(range(50))), free(50), Split(test=0.5, gate=0.3, validation=0.2), 0)


def test_a_rare_class_is_taught() -> None:
    values = list(range(300))
    plain = splits.deal(keys(values), free(300), Split(), 0).splits
    labels = np.zeros(300, np.int64)
    rare = np.flatnonzero(plain == TEST)[:2]
    labels[rare] = 1
    found = splits.deal(keys(values), free(300), Split(), 0, labels)
    assert (found.splits[rare] == TRAIN).all()
    assert (np.delete(found.splits, rare) == np.delete(plain, rare)).all()
    assert found.facts["moved_for_rare_classes"] == 2


def test_split_names_are_the_dataset_s() -> None:
    assert [SPLITS[place] for place in (splits.TRAIN, splits.VALIDATION, splits.GATE, splits.TEST)] == [
        "train",
        "validation",
        "gate",
        "test",
    ]


def test_hashes_are_the_same_everywhere_and_forever() -> None:
    table = pa.table({"n": [1.5, None, 3.0], "t": ["中", "b", None], "b": [b"x", None, b""]})
    assert [f"{value:016x}" for value in hashing.rows(table, ["n", "t", "b"])] == HASHES
    assert hashing.ids(hashing.rows(table, ["n"])).to_pylist() == IDS


# Written down once: another number here would deal every existing data set anew.
HASHES = ["b2a07c4e01197e02", "733637eee641f60b", "5fadd20fbc4edc5c"]
IDS = ["dca717658154d85c", "01ce38a569ce01f4", "b0d5f95e9a8cb726"]


def test_what_makes_rows_equal() -> None:
    def hashed(values: list[object], kind: pa.DataType | None = None) -> list[int]:
        return hashing.rows(pa.table({"a": pa.array(values, kind)}), ["a"]).tolist()

    assert hashed([1, 0]) == hashed([1.0, -0.0])
    assert hashed(["x", "y", "x"], pa.string()) == hashed(["x", "y", "x"], pa.dictionary(pa.int32(), pa.string()))
    assert len(set(hashed([0.0, 1.0, None, 2.0]))) == 4
    assert len(set(hashed(["", "0", None, "1"]))) == 4
    assert len(set(hashed([[1], [1, 2], None, []]))) == 4
    table = pa.table({"a": [1, 2], "b": [2, 1]})
    assert len(set(hashing.rows(table, ["a", "b"]).tolist())) == 2  # which column holds a value matters
    assert (hashing.rows(table, ["a", "b"]) == hashing.rows(table, ["b", "a"])).all()
    chunked = pa.chunked_array([["x"], ["y", "x"]])
    assert hashing.rows(pa.table({"a": chunked}), ["a"]).tolist() == hashed(["x", "y", "x"])


def test_ids_are_different_and_later_rows_rename_none() -> None:
    values = [5, 5, 7, 5]
    ids = hashing.ids(keys(values)).to_pylist()
    assert len(set(ids)) == 4
    assert hashing.ids(keys([*values, 5, 7])).to_pylist()[:4] == ids
    assert all(len(name) == 16 for name in ids)
    assert hashing.ids(np.zeros(0, np.uint64)).to_pylist() == []


def codes(values: list[str]) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def hashed(values: list[object]) -> np.ndarray:
    return hashing.rows(pa.table({"g": values}), ["g"])


def test_strata_keep_their_shares_and_equal_rows_stay_together() -> None:
    values = [*range(900), *range(100)]
    labels = np.array([int(value % 10 == 0) for value in values])  # 100 of one class, 900 of the other
    found = splits.deal(keys(values), free(1000), Split(by="stratified"), 0, labels, Sides(strata=labels)).splits
    for label, count in ((0, 900), (1, 100)):
        shares = np.bincount(found[labels == label], minlength=4) / count
        assert np.allclose(shares, [0.6, 0.1, 0.1, 0.2], atol=0.011)  # rows come in ones and twos
    assert (found[900:] == found[:100]).all()
    plain = splits.deal(keys(values), free(1000), Split(), 0, labels).splits
    assert abs((plain[labels == 1] == TEST).mean() - 0.2) > 0.011 or (found != plain).any()
    other = splits.deal(keys(values), free(1000), Split(by="stratified"), 1, labels, Sides(strata=labels)).splits
    assert (found != other).mean() > 0.3


@pytest.mark.parametrize("count", [6, 40])
def test_groups_are_never_on_two_sides(count: int) -> None:
    group = [f"g{number}" for number in np.random.default_rng(0).integers(0, count, 2000)]
    sides = Sides(groups=hashed(list(group)))
    found = splits.deal(keys(list(range(2000))), free(2000), Split(by="group", column="g"), 0, None, sides).splits
    for name in set(group):
        assert len(set(found[np.array(group) == name])) == 1
    assert set(found) == {TRAIN, VALIDATION, GATE, TEST}
    assert (found == TRAIN).mean() > 0.3


def test_equal_rows_join_groups_but_do_not_chain_them_all() -> None:
    values = [*range(400), 0]
    group = [str(value // 4) for value in range(400)] + ["99"]
    sides = Sides(groups=hashed(list(group)))
    found = splits.deal(keys(values), free(401), Split(by="group", column="g"), 0, None, sides)
    assert found.splits[0] == found.splits[400] == found.splits[399]  # group 0 and group 99 share a row
    assert found.facts["apart_across_groups"] == 0
    chained = splits.deal(
        keys([0, 1, 2, 3] * 100), free(400), Split(by="group", column="g"), 0, None, sides.of(np.arange(400))
    )
    assert all(len(set(chained.splits[start : start + 4])) == 1 for start in range(0, 400, 4))
    assert chained.facts["apart_across_groups"] == 400


def test_a_rare_class_moves_with_its_whole_group() -> None:
    group = np.repeat(np.arange(50), 10)
    sides = Sides(groups=hashed(group.tolist()))
    split = Split(by="group", column="g")
    plain = splits.deal(keys(list(range(500))), free(500), split, 0, None, sides).splits
    labels = np.zeros(500, np.int64)
    row = int(np.flatnonzero(plain == TEST)[0])
    labels[row] = 1
    found = splits.deal(keys(list(range(500))), free(500), split, 0, labels, sides)
    assert (found.splits[group == group[row]] == TRAIN).all()
    assert found.facts["moved_for_rare_classes"] == 10


def test_groups_of_given_test_rows_leave_training() -> None:
    given = np.concatenate([free(300), np.full(20, TEST, np.int8)])
    group = [place // 10 for place in range(300)] + [0] * 10 + [1] * 10
    sides = Sides(groups=hashed(list(group)))
    found = splits.deal(keys(list(range(320))), given, Split(by="group", column="g"), 0, None, sides)
    assert (found.splits[:20] == splits.OUT_GROUP).all() and (found.splits[20:300] >= 0).all()
    assert found.facts["left_out_group_of_given"] == 20


def test_the_newest_rows_are_tested_and_ties_stay_together() -> None:
    times = np.random.default_rng(0).integers(0, 60, 1000)
    times[:5] = -1
    sides = Sides(times=times)
    found = splits.deal(keys(list(range(1000))), free(1000), Split(by="time", column="t"), 0, None, sides)
    order = [TRAIN, VALIDATION, GATE, TEST]
    bounds = [(times[found.splits == split].min(), times[found.splits == split].max()) for split in order]
    assert all(before[1] < after[0] for before, after in pairwise(bounds))
    shares = np.bincount(found.splits[5:], minlength=4) / 995
    assert np.allclose(shares, [0.6, 0.1, 0.1, 0.2], atol=0.03)  # a time has 17 rows
    assert (found.splits[:5] == splits.TIMELESS).all() and found.facts["left_out_without_time"] == 5


def test_in_time_copies_of_later_texts_leave_and_equal_numbers_stay() -> None:
    times, values = np.arange(200), [*range(100), *range(100)]
    split = Split(by="time", column="t")
    near = splits.deal(keys(values), free(200), split, 0, None, Sides(times=times, near=keys(values))).splits
    judged = set(keys(values)[near > TRAIN])
    assert not judged & set(keys(values)[near == TRAIN]) and (near == splits.OUT).sum() > 20
    plain = splits.deal(keys(values), free(200), split, 0, None, Sides(times=times))
    assert (plain.splits >= 0).all() and plain.facts["apart_across_groups"] > 0


@pytest.mark.parametrize("by", ["hash", "stratified", "group"])
@pytest.mark.parametrize("count", [12, 1000])
def test_folds_cover_every_row_once_and_keep_units_together(by: str, count: int) -> None:
    values = [place % (count - count // 10) for place in range(count)]
    labels = np.array(values) % 7 // 6
    group = np.array(values) % (count // 2)
    sides = Sides(
        strata=labels if by == "stratified" else None, groups=hashed(group.tolist()) if by == "group" else None
    )
    column = "g" if by == "group" else None
    tested = np.zeros(count, int)
    for fold in range(5):
        split = Split(by=by, column=column, folds=5, fold=fold)
        found = splits.deal(keys(values), free(count), split, 0, labels, sides).splits
        again = splits.deal(keys(values), free(count), split, 0, labels, sides).splits
        assert (found == again).all()
        assert set(found) == {TRAIN, VALIDATION, TEST}
        tested += found == TEST
        unit = group if by == "group" else np.array(values)
        assert all(len(set(found[unit == value])) == 1 for value in np.unique(unit)[:40])
        assert count < 100 or abs((found == TEST).mean() - 0.2) < 0.02
    assert (tested == 1).all()


def test_folds_of_one_seed_are_the_same_rows_whatever_the_order() -> None:
    mixed = np.random.default_rng(0).permutation(500)
    split = Split(folds=5, fold=2)
    one = splits.deal(keys(list(range(500))), free(500), split, 0).splits
    other = splits.deal(keys(mixed.tolist()), free(500), split, 0).splits
    assert (one[mixed] == other).all()
    assert (splits.deal(keys(list(range(500))), free(500), split, 1).splits != one).any()


def test_folds_in_time_are_windows_that_grow() -> None:
    times = np.random.default_rng(0).permutation(600)
    sizes = []
    for fold in range(4):
        split = Split(by="time", column="t", folds=4, fold=fold)
        found = splits.deal(keys(list(range(600))), free(600), split, 0, None, Sides(times=times)).splits
        learnt, tested = times[(found == TRAIN) | (found == VALIDATION)], times[found == TEST]
        assert learnt.max() < tested.min() and (times[found < 0] > tested.max()).all()
        assert times[found == TRAIN].max() < times[found == VALIDATION].min()
        sizes.append(len(learnt))
    assert sizes == [120, 240, 360, 480]


@pytest.mark.parametrize("by", ["hash", "stratified"])
def test_parts_are_nested_and_only_training_rows_leave(by: str) -> None:
    labels = np.arange(2000) % 400 // 399  # 5 of a rare class
    sides = Sides(strata=labels)

    def of(part: float) -> np.ndarray:
        split = Split(by=by, part=part)
        return splits.deal(keys(list(range(2000))), free(2000), split, 0, labels, sides).splits

    whole, before = of(1.0), np.ones(2000, bool)
    for part in (0.5, 0.25, 0.02, 0.0001):
        found = of(part)
        assert (found[whole != TRAIN] == whole[whole != TRAIN]).all()
        assert set(found[whole == TRAIN]) == {TRAIN, splits.SPARED}
        stays = found == TRAIN
        assert (stays <= before).all()
        # a share of 1,200 rows has a standard error of at most 0.015; two rows and one of each class always stay
        assert abs(stays.sum() / (whole == TRAIN).sum() - part) < 0.05
        assert set(labels[stays]) == {0, 1} and stays.sum() >= 2
        before = stays


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"by": "time"}, "by is time, and column is missing"),
        ({"by": "group"}, "by is group, and column is missing"),
        ({"column": "g"}, "column is 'g', and by is hash"),
        ({"fold": 1}, "fold is 1, and folds is missing"),
        ({"folds": 5, "fold": 5}, "fold is 5 of 5 folds"),
        ({"folds": 5}, "folds are asked for, and test rows are given"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], words: str) -> None:
    given = np.concatenate([free(50), np.full(5, TEST, np.int8)])
    with pytest.raises(RecipeError, match=words):
        splits.deal(keys(list(range(55))), given, Split.model_validate(settings), 0)


def test_near_duplicates_of_given_test_rows_leave_and_others_stay_together() -> None:
    near = keys([value // 2 for value in range(400)])
    given = np.concatenate([free(399), np.full(1, TEST, np.int8)])
    found = splits.deal(keys(list(range(400))), given, Split(), 0, None, Sides(near=near)).splits
    assert found[398] == splits.OUT
    assert (found[0:398:2] == found[1:399:2]).all()


def test_more_folds_than_rows() -> None:
    for count, by in ((6, "hash"), (10, "time")):
        split = Split(folds=10, fold=9, by=by, column="t" if by == "time" else None)
        with pytest.raises(DataError, match=rf"{count} different \w+ to deal into 10 folds: at least 1\d are needed"):
            splits.deal(keys(list(range(count))), free(count), split, 0, None, Sides(times=np.arange(count)))


def test_folds_of_a_rare_class_are_not_always_the_same() -> None:
    labels = np.concatenate([np.zeros(200, np.int64), np.arange(1, 31)])  # 30 classes of one row
    sides, tested = Sides(strata=labels), []
    for fold in range(5):
        found = splits.deal(
            keys(list(range(230))), free(230), Split(by="stratified", folds=5, fold=fold), 0, None, sides
        )
        tested.append(int((found.splits[200:] == TEST).sum()))
    assert sum(tested) == 30
    assert max(tested) < 15  # binomial with a mean of 6 and a deviation of 2.2


def test_so_many_rows_of_each_class_are_used_and_each_only_once() -> None:
    """16 of every class, none equal to another, drawn by the seed; what is judged stays as it is."""
    values = [*range(2_000), *range(500)]
    labels = np.array([value % 4 for value in values])
    whole = splits.deal(keys(values), free(2_500), Split(), 0, labels)
    found = splits.deal(keys(values), free(2_500), Split(each=16), 0, labels)
    kept = np.flatnonzero(found.splits == SPLITS.index("train"))
    assert np.bincount(labels[kept]).tolist() == [16] * 4
    assert len({values[row] for row in kept}) == 64
    judged = whole.splits > SPLITS.index("train")
    assert (found.splits[judged] == whole.splits[judged]).all()
    assert found.facts["left_out_by_each"] == (whole.splits == SPLITS.index("train")).sum() - 64
    other = splits.deal(keys(values), free(2_500), Split(each=16), 1, labels).splits
    assert set(np.flatnonzero(other == SPLITS.index("train"))) != set(kept)
    with pytest.raises(RecipeError, match="the target has no classes"):
        splits.deal(keys(values), free(2_500), Split(each=16), 0)
