"""Rows are dealt by what they are: equal rows on one side, later rows move nobody, every split has rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Split
from feilun.parts.dataset import SPLITS
from feilun.stages.data import hashing, splits
from feilun.stages.data.raw import DEALT

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
