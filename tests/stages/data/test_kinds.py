"""What a column is, why, and what follows for the values in it."""

from __future__ import annotations

import datetime
import random

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError
from feilun.stages.data.cells import clean
from feilun.stages.data.looking import kinds
from feilun.stages.data.reading import frames, pictures


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
        ([f"2024-01-{i % 28 + 1:02d} 10:{i:02d}" for i in range(50)], "time"),
        ([datetime.date(2024, 1, 1 + i) for i in range(20)], "time"),
        (["5.1.2024", "6.1.2024", None] * 9, "time"),
        ([f"{i % 24}:30" for i in range(50)], "category"),
        ([[1.5, 2], [3]], "sequence"),
        ([[[1, 2], [3, 4]], [[5, 6]]], "sequence"),
        (["[1, 2.5]", "[3, null]"] * 9, "sequence"),
        (["[[1, 2], [3, 4]]"] * 9 + ["[[1, 5]]"], "sequence"),
        (["[note] left"] * 9 + ["[note] came"], "category"),
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


def test_sorted_columns_are_looked_at_all_over() -> None:
    late = ["-"] * 3_000 + [f"{i * 3 % 200 + 0.5}" for i in range(97_000)]
    assert kind(late) == "number"
    texts = ["yes"] * 21_000 + [f"{words(9, seed=i)} {i}" for i in range(79_000)]
    assert kind(texts) == "text"


def test_what_a_person_should_look_at() -> None:
    nearly = kinds.find("c", stripped(["a"] * 4_999 + ["b"]))
    assert (nearly.kind, nearly.warning) == ("category", "the same in all but 1 of 5,000 rows")
    assert kinds.find("c", stripped([0.0] * 4_999 + [1.0])).warning == "the same in all but 1 of 5,000 rows"
    assert kinds.find("c", stripped(["a"] * 900 + ["b"] * 10)).warning == ""
    many = kinds.find("c", stripped([f"v{i % 10_000}" for i in range(30_000)]))
    assert many.kind == "category" and "10,000 different values, 3 rows each" in many.warning
    long = kinds.find("c", stripped([[0.5] * 1_200, [1.5]]))
    assert long.warning == "only the last 1,000 steps are read"


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


def test_arrays_of_steps_from_python_are_sequences() -> None:
    arrays = [np.arange(6.0).reshape(3, 2), None, np.ones((1, 2))]
    found = frames.read({"s": arrays, "y": ["a", "b", "a"]})
    assert kinds.find("s", found.table.column("s")).kind == "sequence"
    cleaned = clean.to_kinds(found.table, {"s": "sequence"}, (), "x").table.column("s").to_pylist()
    assert cleaned == [[[0, 1], [2, 3], [4, 5]], None, [[1, 1]]]
