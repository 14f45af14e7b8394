"""Hashes of rows: pinned for ever, because a row's split and its id follow from them."""

import datetime
import hashlib

import numpy as np
import pyarrow as pa
import pytest

from feilun.stages.data.alike import hashing

COLUMNS = {
    "n": pa.array([1.5, None, -0.0, 0.0, 3.0, 1e300]),
    "i": pa.array([1, 2, None, 3, 3, -7]),
    "b": pa.array([True, False, None, True, True, False]),
    "s": pa.array(["a", "b", None, "", "a", "中"]),
    "l": pa.array(["a", "b", None, "", "a", "中"], pa.large_string()),
    "d": pa.array(["x", "y", None, "x", "x", "y"]).dictionary_encode(),
    "y": pa.array([b"a", None, b"", b"b", b"a", b"\xff"]),
    "j": pa.array([[1, 2], None, [], [1], [1, 2], [3]]),
    "t": pa.array([datetime.date(2020, 1, 1), None] * 3),
}
FIRST_TWO = {
    "n": (0x301D228D565ECD00, 0x8669F6281D8D4145),
    "i": (0x6CD9DEF07875B153, 0x92F0B618113DADB4),
    "b": (0x4D86A4DD82599C52, 0x814F91A08C601E5F),
    "s": (0xCD1727206D79BCA6, 0x8E8D1150C9317185),
    "l": (0x3644DCF10B0CB70F, 0xE65B881403A20EFC),
    "d": (0xEFEC2BD7BD987CF0, 0xA7A16382A6E7B10C),
    "y": (0x11B29188803B4362, 0xB800CCF8862734F4),
    "j": (0xF9B0B0CAA5AA0FB4, 0xA84145ECAAD0ED77),
    "t": (0x2655A4011033D4AC, 0xCF64EB424C4B8E1C),
}
CONTENTS = [
    "4b0993b47afc918e",
    "bcfc2713afbc18ba",
    "752f36a4ea69684f",
    "862630d5ef5e49b",
    "b7b963ecd14c9658",
    "26a16ff72b4531d8",
]


@pytest.mark.parametrize("name", COLUMNS)
def test_the_hash_of_every_type_stays_what_it_was(name):
    assert tuple(hashing.rows(pa.table(COLUMNS), [name])[:2].tolist()) == FIRST_TWO[name]


def test_rows_and_ids_stay_what_they_were():
    table = pa.table(COLUMNS)
    found = hashing.rows(table, list(reversed(table.column_names)))  # the order of the columns does not matter
    assert [f"{value:x}" for value in found.tolist()] == [
        "c26f6bf4924ec04b",
        "548a456874767cc6",
        "156687d7726daa4a",
        "d9f8f0d10e663d4b",
        "690f69aa63e26220",
        "42738453ea4a160f",
    ]
    assert hashing.ids(hashing.rows(table, ["s"])).to_pylist() == [
        "2c1b3b93fc5fdead",
        "a254ec828fc8c43e",
        "bb98bcd17456f83a",
        "ac518c9c69dcffbc",
        "0f18ecda946c0209",  # equal to the first, so that its id is another
        "c1379eac5cbd24a2",
    ]
    assert hashing.of_table(table) == "5097795f1e235a6d24db3015985309721814643d8a926c4acff06fc12bc5c8de"


@pytest.mark.parametrize("cut", [70_001, 1])
def test_neither_blocks_nor_chunks_nor_threads_change_a_hash(cut):
    count = 200_003
    table = pa.table(
        {
            "x": pa.array(np.random.default_rng(0).normal(size=count)),
            "w": pa.array([f"w{place % 977}" for place in range(count)]),
            "u": pa.array([str(place * 7919) for place in range(count)]),
        }
    )
    found = hashing.rows(pa.concat_tables([table.slice(0, cut), table.slice(cut)]), table.column_names)
    assert _sha(found.tobytes()) == "8af4d6e260aeb25eee583badf326ae98080773ed2b5991fa0e715dc3220841e2"
    named = "".join(hashing.ids(found).to_pylist())
    assert _sha(named.encode()) == "4d412d3ad6e845f4037b85120d85200e29133be260da2b2d7c97f857b76d3837"


def test_no_rows_have_no_hashes():
    table = pa.table({"a": pa.array([], pa.string())})
    assert hashing.rows(table, ["a"]).shape == (0,) and len(hashing.ids(hashing.rows(table, ["a"]))) == 0


def test_without_columns_all_rows_are_equal():
    table = pa.table({"a": ["x", "y", "z"]})
    assert hashing.rows(table, []).tolist() == [0, 0, 0]


def _sha(content):
    return hashlib.sha256(content).hexdigest()


TEXTS = [
    "",
    "a",
    "ab",
    "b",
    "a\0",
    "\0a",
    "abcdefgh",
    "abcdefghi",
    "中文",
    *["q" * count for count in range(2, 140)],
    None,
]


def test_contents_stay_what_they_were():
    table = pa.table(
        {**COLUMNS, "r": [{"a": 1, "b": None}, None, {"a": 2, "b": "x" * 99}, None, None, {"a": 1, "b": "y"}]}
    )
    assert [f"{value:x}" for value in hashing.contents(table).tolist()] == CONTENTS


def test_contents_of_a_text_rest_on_itself_alone():
    whole = hashing.contents(pa.table({"t": TEXTS}))
    assert len(set(whole.tolist())) == len(TEXTS) - 1 and whole[0] == whole[-1] == 0
    for kind in (pa.string(), pa.large_string()):
        table = pa.table({"t": pa.array(TEXTS, kind)})
        assert [int(hashing.contents(table.slice(place, 1))[0]) for place in range(len(TEXTS))] == whole.tolist()
    assert (hashing.contents(pa.table({"t": pa.array(TEXTS).dictionary_encode()})) == whole).all()
    last = pa.table({"t": ["x" * 9, "y"]})  # the last text ends where the data end
    assert hashing.contents(last)[1] == hashing.contents(last.slice(1))[0]


def test_contents_count_every_column_by_its_name_and_nothing_for_what_is_missing():
    one = pa.table({"a": [1.0, 2.0, None], "b": ["x", "y", "x"]})
    found = hashing.contents(one)
    assert (hashing.contents(one.select(["b", "a"])) == found).all()
    assert (hashing.contents(one.append_column("c", pa.array([None, "", None], pa.string()))) == found).all()
    assert (hashing.contents(pa.table({"a": [1, 2, None], "b": ["x", "y", "x"]})) == found).all()
    assert (hashing.contents(one.rename_columns(["b", "a"])) != found).all()
    assert len(set(hashing.contents(pa.table({"a": ["x", "y"], "b": ["y", "x"]})).tolist())) == 2
    stacked = pa.table({"r": [{"a": 1}, {"a": 2}]}), pa.table({"r": [{"a": 1, "b": None}, {"a": 2, "b": None}]})
    assert (hashing.contents(stacked[0]) == hashing.contents(stacked[1])).all()


def test_moments_are_equal_in_every_unit():
    moments = [datetime.datetime(2024, 5, 1), datetime.datetime(1969, 1, 1, 5), None]
    units = [
        hashing.contents(pa.table({"t": pa.array(moments, pa.timestamp(unit))})).tolist() for unit in ("s", "us", "ns")
    ]
    assert units[0] == units[1] == units[2] and len(set(units[0])) == 3


def test_blocks_and_texts_that_come_again_change_nothing():
    many = pa.concat_tables([pa.table(COLUMNS)] * 20_000)  # several blocks, texts that repeat in each
    for columns in (["s", "n"], [], list(COLUMNS), ["l"]):
        assert np.array_equal(hashing.rows(many, columns), np.tile(hashing.rows(pa.table(COLUMNS), columns), 20_000))
        assert len(hashing.rows(many.slice(0, 0), columns)) == 0
