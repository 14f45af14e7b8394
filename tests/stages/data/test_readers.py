"""JSON, NPZ, folders of texts, saved data sets: what becomes of them, and what is said when they are wrong."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data.reading import raw, sources


def read(folder: Path, source: str, target: str | None = None, **data: Any) -> raw.Raw:
    given = {"data": {"source": source, **data}} | ({"target": target} if target else {})
    return sources.read(Recipe.model_validate(given), folder)


def given(found: raw.Raw) -> list[str]:
    return ["dealt" if place == raw.DEALT else SPLITS[place] for place in found.given]


@pytest.mark.parametrize("lines", [True, False])
def test_objects_become_columns(tmp_path: Path, lines: bool) -> None:
    rows = [
        {"a": 1, "who": {"name": "张", "home": {"town": "Bonn"}}, "tags": ["x", "y"], "ok": True},
        {"a": 2.5, "who": {"name": None}, "tags": [], "new": "z", "mixed": 3},
        {"a": None, "who": {}, "mixed": "w"},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows) if lines else json.dumps(rows, indent=1)
    (tmp_path / "r.json").write_text(text, encoding="utf-8-sig")
    found = read(tmp_path, "r.json").table.to_pydict()
    assert found["a"] == [1, 2.5, None]
    assert found["who.name"] == ["张", None, None]
    assert found["who.home.town"] == ["Bonn", None, None]
    assert found["tags"] == [["x", "y"], [], None]
    assert found["mixed"] == [None, "3", "w"]
    assert found["ok"] == [True, None, None]


def test_one_object_over_several_lines_and_first_rows(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{\n "a": 1,\n "b": "x"\n}\n')
    assert read(tmp_path, "one.json").table.to_pydict() == {"a": [1], "b": ["x"]}
    (tmp_path / "r.jsonl").write_text("".join(f'{{"a": {at}}}\n' for at in range(9)) + "broken")
    assert read(tmp_path, "r.jsonl", limit=4).table.num_rows == 4
    (tmp_path / "odd.jsonl").write_text('{"a": 12345678901234567890123}\n{"a": 1}\n')
    assert read(tmp_path, "odd.jsonl").table.num_rows == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"[]", "has no rows"),
        (b'{"a": 1}\n{"a": }\n', r"r\.jsonl:2 is not JSON"),
        (b'{"a": 1}\n{"a": \n{"a": 2}\n', r"r\.jsonl:2 is not JSON: Expecting value at character 6, near"),
        (b'{"a": 1}\n[1, 2]\n', r"r\.jsonl:2 is a list, not an object"),
        (b"3\n", r"r\.jsonl:1 is a number"),
        (b"{}\n{}\n", "its objects are empty"),
        (b'{"a": {"b": 1}, "a.b": 2}\n', "'a.b' twice"),
        (b'{"a": 1}\n{"a": 1, "a": 2}\n', r"r\.jsonl:2 has the key 'a' twice"),
        (b'{"a": 1}\n{"a": {"b": 1, "b": 1}}\n', r"r\.jsonl:2 has the key 'b' twice"),
        (b'{"a": "x"}\n{"a": ["\\ud800 x"]}\n', r"r\.jsonl:2: a\[0\] holds half a surrogate pair"),
        (b'{"\\uDFFFa": 1}\n', r"r\.jsonl:1: a row holds half"),
        (b'{"a": "\xff\xfe\x80"}\n{"a": "\xc3\xa9"}\n', r"r\.jsonl:\d"),
        (b"[" * 200_000, "is not JSON"),
    ],
)
def test_json_that_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "r.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read(tmp_path, "r.jsonl")


def test_texts_by_class(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("test", 1)):
        for name, code in (("好", "utf-8"), ("bad", "gb18030")):
            (tmp_path / split / name).mkdir(parents=True)
            for at in range(count):
                (tmp_path / split / name / f"{at}.txt").write_bytes(f"{name} 这个饭店不错 {at}\n".encode(code))
    (tmp_path / "train" / "bad" / "notes.md").write_text("x")
    found = read(tmp_path, str(tmp_path))
    assert given(found) == ["dealt"] * 6 + ["test"] * 2
    assert found.table.column("label").to_pylist()[:6] == ["bad"] * 3 + ["好"] * 3
    assert found.table.column("text")[0].as_py() == "bad 这个饭店不错 0\n"
    assert (found.target, found.kinds) == ("label", {"text": "text"})
    assert "1 files left aside" in found.notes[0]
    assert read(tmp_path, "train", limit=2).table.column("label").to_pylist() == ["bad", "好"]
    (tmp_path / "train" / "bad" / "0.txt").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"0\.txt is not text"):
        read(tmp_path, "train")


def test_arrays_and_their_splits(tmp_path: Path) -> None:
    arrays = {}
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        arrays[f"{split}_images"] = np.arange(count * 12, dtype=np.uint8).reshape(count, 3, 4)
        arrays[f"{split}_labels"] = np.arange(count).reshape(count, 1) % 2
    np.savez_compressed(tmp_path / "m.npz", **arrays, words=np.array(["a", "b"]))
    found = read(tmp_path, "m.npz")
    assert given(found) == ["dealt"] * 5 + ["test"] * 3 + ["validation"] * 2
    assert found.table.column_names == ["images", "labels"]
    assert (found.kinds, found.target) == ({"images": "image"}, "labels")
    picture = np.asarray(Image.open(io.BytesIO(found.table.column("images")[1].as_py())))
    assert picture.tolist() == arrays["train_images"][1].tolist()
    assert "words left aside" in found.notes[0]
    assert read(tmp_path, "m.npz", limit=2).table.num_rows == 6


def test_arrays_of_every_shape(tmp_path: Path) -> None:
    arrays = {
        "x": np.arange(6.0).reshape(3, 2),
        "steps": np.arange(24, dtype=np.float32).reshape(3, 4, 2),
        "long": np.ones((3, 100)),
        "colour": np.zeros((3, 5, 6, 3), np.uint8),
        "name": np.array(["a", "é", "名"]),
        "raw": np.array([b"a", b"b", b"c"]),
        "half": np.ones(3, np.float16),
        "y": np.array([True, False, True]),
    }
    np.savez(tmp_path / "s.npz", **arrays)
    found = read(tmp_path, "s.npz").table.to_pydict()
    assert (found["x_0"], found["x_1"]) == ([0, 2, 4], [1, 3, 5])
    assert found["steps"] == arrays["steps"].tolist()
    assert (len(found["long"][0]), found["name"], found["y"]) == (100, ["a", "é", "名"], [True, False, True])
    assert np.asarray(Image.open(io.BytesIO(found["colour"][0]))).shape == (5, 6, 3)
    np.savez(tmp_path / "k.npz", x_train=arrays["x"], y_train=arrays["y"], x_test=arrays["x"], y_test=arrays["y"])
    found = read(tmp_path, "k.npz")
    assert (given(found), found.target) == (["dealt"] * 3 + ["test"] * 3, "y")


def test_arrays_that_are_wrong(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (tmp_path.joinpath("ran").write_text, ("x",))

    cases: dict[str, dict[str, Any]] = {
        "share their first axis": {"a": np.ones(3), "b": np.ones(4)},
        "never read: opening them could run code": {"a": np.array([Bomb()], object)},
        "Pictures are uint8": {"a": np.ones((2, 3, 3, 3))},
        "complex": {"a": np.ones(2, complex)},
        r"a \(\)": {"a": np.float64(3)},
        "two columns called": {"a": np.ones((2, 2)), "a_0": np.ones(2)},
    }
    for words, arrays in cases.items():
        np.savez(tmp_path / "w.npz", **arrays)
        with pytest.raises(DataError, match=words):
            read(tmp_path, "w.npz")
    assert not (tmp_path / "ran").exists()
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    content = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(content[:-30])
    with pytest.raises(DataError, match="no NPZ file"):
        read(tmp_path, "w.npz")
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:  # a header that claims a terabyte
        lying = b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }"
        archive.writestr("a.npy", lying.ljust(127) + b"\n" + bytes(64))
    with pytest.raises(DataError, match="is damaged"):
        read(tmp_path, "w.npz")
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(DataError, match="no arrays"):
        read(tmp_path, "w.npz")


def test_saved_data_sets(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    features = Features({"text": Value("string"), "kind": ClassLabel(names=["neg", "pos"])})
    parts = {
        name: Dataset.from_dict(
            {"text": [f"{name} {at}" for at in range(count)], "kind": [at % 2 for at in range(count)]}
        )
        for name, count in (("train", 4), ("test", 2))
    }
    DatasetDict({name: part.cast(features) for name, part in parts.items()}).save_to_disk(tmp_path / "both")
    parts["train"].save_to_disk(tmp_path / "one")
    for source in ("both", "hf:./both"):
        found = read(tmp_path, source)
        assert given(found) == ["dealt"] * 4 + ["test"] * 2
        assert found.table.column("kind").to_pylist()[:2] == ["neg", "pos"]
        assert found.target == "kind"
    assert read(tmp_path, "one", limit=3).table.num_rows == 3
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="no data set that save_to_disk wrote"):
        read(tmp_path, "one")


def test_given_rows_of_another_format_and_order(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a;b;y\n1,5;x;p\n2,5;z;q\n")
    (tmp_path / "test.jsonl").write_text('{"y": "q", "b": "w", "a": 3.5}\n')
    found = read(tmp_path, "train.csv", "y", test="test.jsonl")
    assert found.table.to_pydict() == {"a": ["1.5", "2.5", "3.5"], "b": ["x", "z", "w"], "y": ["p", "q", "q"]}
    (tmp_path / "t.csv").write_text('y,b,a\nq,w,"1,234"\n')
    assert read(tmp_path, "train.csv", "y", test="t.csv").table.column("a").to_pylist()[-1] == "1.234"
    (tmp_path / "t.csv").write_text("y;b\nq;w\n")
    with pytest.raises(DataError, match=r"t\.csv has no column 'a'"):
        sources.read(
            Recipe.model_validate(
                {"data": {"source": "train.csv", "test": "t.csv"}, "inputs": {"a": ""}, "target": "y"}
            ),
            tmp_path,
        )


def test_arrays_of_a_machine_with_the_other_order_of_bytes(tmp_path: Path) -> None:
    kinds = (">f8", ">f4", ">f2", ">i4", ">u2", "<i8")
    np.savez(tmp_path / "b.npz", **{kind[1:]: np.arange(4, dtype=kind) for kind in kinds}, w=np.array(["ä"] * 4, ">U2"))
    found = read(tmp_path, "b.npz").table
    assert all(found.column(kind[1:]).to_pylist() == [0, 1, 2, 3] for kind in kinds)
    assert found.column("w").to_pylist() == ["ä"] * 4


def test_whole_surrogate_pairs_are_letters(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"a": "\\ud83d\\ude00"}\n')
    assert read(tmp_path, "r.jsonl").table.column("a").to_pylist() == ["😀"]
