"""YAML by the rules of 1.2: what PyYAML reads wrongly, where a key stands, and what is refused."""

from __future__ import annotations

import math

import pytest
import yaml

from feilun.core import yaml12
from feilun.core.errors import RecipeError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("null", None),
        ("", None),
        ("''", ""),
        ("'3'", "3"),
        ("-.inf", -math.inf),
        ("情感", "情感"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_scalars_follow_1_2(text: str, value: object) -> None:
    found = yaml12.load(f"key: {text}\n", "a.yaml").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    assert math.isnan(yaml12.scalar(".nan"))


def test_keys_stay_as_written() -> None:
    assert list(yaml12.load("2020: a\nno: b\n1e-3: c\n评论: d\n", "a.yaml").value) == ["2020", "no", "1e-3", "评论"]


def test_every_key_keeps_its_place() -> None:
    document = yaml12.load("name: a\ntrain:\n  epochs: 3\n  betas: [0.9,\n    0.99]\n", "my.yaml")
    assert document.at(("train", "epochs")) == "my.yaml:3:3"
    assert document.at(("train", "betas", 1)) == "my.yaml:5:5"
    assert document.at(("train", "nothing here")) == "my.yaml:2:1"
    assert document.at(("nowhere",)) == "my.yaml:1:1"


def test_aliases_are_followed() -> None:
    assert yaml12.load("a: &x [1, 2]\nb: *x\n", "a.yaml").value == {"a": [1, 2], "b": [1, 2]}


def test_ten_lines_cannot_grow_to_a_billion_values() -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
    )
    with pytest.raises(RecipeError, match="more than 20,000 values"):
        yaml12.load(bomb, "a.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", r"a\.yaml:3:1  key a is written twice, first in line 1"),
        ("a: !!python/object/apply:os.system ['true']\n", r"a\.yaml:1:4  tag !!python/object"),
        ("a: !!binary aGk=\n", "tag !!binary"),
        ("a: 1\n---\nb: 2\n", "one recipe per file"),
        ("x: &x [*x]\n", "nested too deeply"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a:\n\t- 1\n", "spaces, not tabs"),
        ("a: b: c\n", r"a\.yaml:1:5 .*quotes"),
        ("a: [1\n", "not YAML"),
        ("a: 'x\n", "not YAML"),
        ("\x00", "not YAML"),
        ("? [1]\n: 2\n", "a key that is not text"),
        ("a: " + "9" * 5000, r"a\.yaml:1:4  '9{40}\.\.\.' is no int"),
        ("a: " + "x" * 1_000_001, "1,000,000"),
    ],
)
def test_everything_else_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        yaml12.load(text, "a.yaml")
    assert "Traceback" not in str(caught.value)
    assert len(str(caught.value)) < 400


AMBIGUOUS = ["no", "1e-3", "012", "2024-01-01", "12:30:45", "~", "", "y", "true", "0o17", "1_000", "a: b", "#", "${X}"]


def test_what_is_written_reads_the_same_under_1_1_and_1_2() -> None:
    data = {"texts": [*AMBIGUOUS, "评论"], "small": 1e-5, "big": 1e20, "none": None, "inner": {"no": {"a": [1, 2]}}}
    text = yaml12.dump(data)
    assert yaml12.load(text, "a.yaml").value == data
    assert yaml.safe_load(text) == data
    assert "评论" in text


def test_keys_come_in_the_order_asked_for() -> None:
    text = yaml12.dump({"z": 1, "name": 2, "target": {"b": 1, "a": 2}}, ("target", "seed", "name"))
    assert text == "target: {b: 1, a: 2}\nname: 2\nz: 1\n"


def test_the_same_list_twice_is_written_twice() -> None:
    same = [1]
    assert "*" not in yaml12.dump({"a": same, "b": same})
