"""What a column is, why, and what follows for the values in it."""

from __future__ import annotations

import datetime
import random

import pyarrow as pa
import pytest

from feilun.core.errors import DataError
from feilun.stages.data import clean, kinds, pictures


def stripped(values: list[object], name: str = "c") -> pa.ChunkedArray:
    return clean.strip(pa.table({name: pa.array(values)}), ["", "?", "NA"]).column(0)


def kind(values: list[object], name: str = "c") -> str:
    return kinds.find(name, stripped(values, name)).kind


def words(count: int, seed: int = 0) -> str:
    return " ".join(random.Random(seed).choices(["one", "two", "three", "four", "five", "six"], k=count))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1.5", " 2", "?", "-3e2", "4"], "number"),
        ([str(i * 7 % 50) for i in range(100)], "number"),
        ([str(i % 3) for i in range(299)], "number"),  # too few rows for each value to call them codes
        ([str(i % 3) for i in range(300)], "category"),
        ([f"{i % 3}.0" for i in range(300)], "category"),
        ([str(i % 13) for i in range(3000)], "number"),
        ([f"{i / 2}" for i in range(2)] * 300, "number"),  # halves are no codes
        ([str(i) for i in range(1000, 1050)], "identifier"),
        ([i + (i > 30) for i in range(50)], "identifier"),  # a row was deleted
        (list(range(250_000)), "identifier"),  # more rows than are looked at
        ([i * 3 for i in range(50)], "number"),
        (["no"] * 300_000 + ["yes"] + ["no"] * 99, "category"),
        ([None] * 300_000 + ["yes"] + [None] * 99, "category"),
        ([str((i * 37) % 1009) for i in range(50)], "number"),  # all different, but no count and no name of a key
        ([f"{i:03d}" for i in range(5)] * 4, "category"),  # 000, 001: codes
        (["red", "blue"] * 10, "category"),
        ([f"name{i}" for i in range(40)], "identifier"),
        ([f"name{i}" for i in range(40)] + ["name1"], "identifier"),
        ([words(9, seed=i) for i in range(40)], "text"),
        (["I fully agree with this", "I do not agree with this"] * 20, "category"),
        (["房间很干净,服务也好" + "啊" * i for i in range(20)], "text"),
        (["北京市", "上海市"] * 20, "category"),
        ([f"张{chr(0x4E00 + i)}" for i in range(40)], "identifier"),
        (["x"] * 9, "constant"),
        ([None, "", "?"], "constant"),
        (["x", None, "x"], "category"),  # being there at all may tell
        ([f"2024-01-{i % 28 + 1:02d} 10:{i:02d}" for i in range(50)], "identifier"),
        ([datetime.date(2024, 1, 1 + i) for i in range(20)], "identifier"),
        ([True, False] * 5, "category"),
        ([1, 2, None, 5] * 3, "number"),
        ([float("nan")] * 3, "constant"),
        ([pictures.MAGIC[0] + b"..."] * 2, "image"),
        ([b"abc", b"def"], "identifier"),
        (["a/1.png", "b/2.JPG"] * 9, "image"),
        (["a/1.png", "b/2.txt"] * 9, "category"),
        ([["a"], ["b"]], "list"),
    ],
)
def test_kinds(values: list[object], expected: str) -> None:
    assert kind(values) == expected


def test_a_key_by_its_name() -> None:
    values = [str((i * 37) % 1009) for i in range(50)]
    for name in ("id", "customer_id", "customerId", "订单编号", "Order No", "uuid"):
        assert kind(values, name) == "identifier", name
    for name in ("paid", "price", "width", "solid", "grid"):
        assert kind(values, name) == "number", name


def test_every_kind_has_a_reason_and_counts() -> None:
    found = kinds.find("c", stripped(["1", "2.5", "?", "2.5"]))
    assert (found.missing, found.distinct, found.why) == (1, 2, "numbers, 2 different values")
    assert kinds.find("c", stripped(["x"] * 3)).why == "the same in every row"
    assert kinds.find("c", stripped([f"n{i}" for i in range(20)])).why == "different in every row"


def test_a_few_words_among_numbers_are_said_and_count_as_missing() -> None:
    values = [str(i * 3 % 200 + 0.5) for i in range(97)] + ["-", "unknown", "-"]
    found = kinds.find("c", stripped(values))
    assert found.kind == "number"
    assert "3 values are no numbers" in found.warning
    cleaned = clean.to_kinds(pa.table({"c": stripped(values)}), {"c": "number"}, (), "my.csv")
    assert cleaned.table.column("c").null_count == 3
    assert "3 values are no numbers" in cleaned.notes[0]


@pytest.mark.parametrize(("targets", "values"), [((), ["1", "x", "y"]), (("c",), ["1.5"] * 99 + ["x"])])
def test_words_that_should_be_numbers(targets: tuple[str, ...], values: list[str]) -> None:
    table = pa.table({"c": stripped(values)})
    with pytest.raises(DataError, match="c should be a number and is 'x'") as caught:
        clean.to_kinds(table, {"c": "number"}, targets, "my.csv")
    assert f"row {values.index('x') + 1}" in caught.value.where


def test_values_of_each_kind() -> None:
    table = pa.table(
        {
            "number": [" 1", "2.5", "?"],
            "whole": [1.0, 2.0, None],
            "flag": [True, False, None],
            "coded": ["1.0", "2.0", ""],
            "code": ["007", "1.50", "NA"],
            "text": [" a b ", "", "c"],
            "infinite": [1.0, float("inf"), float("nan")],
        }
    )
    table = clean.strip(table, ["", "?", "NA"])
    wanted = dict.fromkeys(("whole", "flag", "coded", "code"), "category")
    wanted |= {"number": "number", "infinite": "number", "text": "text"}
    assert clean.to_kinds(table, wanted, (), "x").table.to_pydict() == {
        "number": [1.0, 2.5, None],
        "whole": ["1", "2", None],
        "flag": ["true", "false", None],
        "coded": ["1", "2", None],
        "code": ["007", "1.50", None],
        "text": ["a b", None, "c"],
        "infinite": [1.0, None, None],
    }


def test_text_is_no_picture() -> None:
    with pytest.raises(DataError, match="should hold pictures and holds string"):
        clean.to_kinds(pa.table({"c": ["a.png"]}), {"c": "image"}, (), "my.csv")
