"""Every source behind one call, given splits, and what is said when a source is not there."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data.reading import frames, pictures, raw, sources


def recipe(source: str | Path | None = None, target: str | None = None, **data: Any) -> Recipe:
    data |= {} if source is None else {"source": str(source)}
    return Recipe.model_validate({"data": data} | ({"target": target} if target else {}))


def given(found: raw.Raw) -> list[str]:
    return ["dealt" if place == raw.DEALT else SPLITS[place] for place in found.given]


def png(value: int, size: int = 4) -> bytes:
    return pictures.to_png(np.full((size, size), value % 256, np.uint8))


def folder_of_pictures(folder: Path, classes: tuple[str, ...] = ("猫", "dogs"), each: int = 3) -> Path:
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            (folder / name / f"{number}.png").write_bytes(png(100 * place + number))
    return folder


def idx(folder: Path, part: str, count: int, suffix: str = ".gz") -> None:
    folder.mkdir(exist_ok=True)
    images = np.arange(count * 6, dtype=np.uint8).reshape(count, 2, 3)
    labels = np.arange(count, dtype=np.uint8) % 3
    for what, array in (("images", images), ("labels", labels)):
        head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
        content = head + array.tobytes()
        path = folder / f"{part}-{what}-idx{array.ndim}-ubyte{suffix}"
        path.write_bytes(gzip.compress(content) if suffix else content)


def test_png_is_what_pillow_reads() -> None:
    for shape in ((5, 7), (5, 7, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        assert (np.asarray(Image.open(io.BytesIO(pictures.to_png(pixels)))) == pixels).all()


def test_csv_and_parquet_and_a_name_without_suffix(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    pa.parquet.write_table(table, tmp_path / "unnamed")
    for name in ("t.parquet", "unnamed"):
        assert sources.read(recipe(name), tmp_path).table.to_pydict() == table.to_pydict()
    pa.parquet.write_table(table.slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(DataError, match="no rows"):
        sources.read(recipe("none.parquet"), tmp_path)
    (tmp_path / "half.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:60])
    with pytest.raises(DataError, match="no readable Parquet"):
        sources.read(recipe("half.parquet"), tmp_path)


def test_nearest_name_of_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"Did you mean .*customers\.csv"):
        sources.read(recipe("custmers.csv"), tmp_path)
    with pytest.raises(DataError, match="There is no file or folder"):
        sources.read(recipe("no/such/place.csv"), tmp_path)
    with pytest.raises(RecipeError, match=r"data\.source is missing"):
        sources.read(Recipe(), tmp_path)


def test_unknown_format_and_formats_that_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(DataError, match="Did you mean 'parquet'"):
        sources.read(recipe("a.jsonl", format="parqet"), tmp_path)
    for name, words in (("a.xlsx", "Excel.*CSV"), ("a.pkl", "can run code.*Parquet"), ("a.db", "sqlite:///a.db")):
        (tmp_path / name).write_bytes(b"PK\x03\x04" + bytes(100))
        with pytest.raises(DataError, match=words):
            sources.read(recipe(name), tmp_path)
    for name in ("ftp://host/a.csv", "file:///etc/passwd"):
        with pytest.raises(DataError, match="is not read"):
            sources.read(recipe(name), tmp_path)


def test_folder_with_train_and_test_files(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("words")
    (tmp_path / "train.csv").write_text("a,y\n1,p\n2,q\n")
    (tmp_path / "val.tsv").write_text("a\ty\n5\tp\n")
    (tmp_path / "test.csv").write_text("y,a,more\nq,3,0\n")
    found = sources.read(recipe(tmp_path, "y"), tmp_path)
    assert given(found) == ["dealt", "dealt", "test", "validation"]
    assert found.table.to_pydict() == {"a": ["1", "2", "3", "5"], "y": ["p", "q", "q", "p"]}
    assert sources.read(recipe(tmp_path, "y"), tmp_path, sample=True).table.num_rows == 2


def test_test_rows_without_target_are_not_used_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,y\n1,p\n2,q\n")
    (tmp_path / "test.csv").write_text("a,b\n3,0\n")
    found = sources.read(recipe(tmp_path, "y"), tmp_path)
    assert given(found) == ["dealt", "dealt"]
    assert "no column 'y'" in found.notes[0]
    with pytest.raises(DataError, match="no column 'y'"):
        sources.read(recipe("train.csv", "y", test="test.csv"), tmp_path)


def test_given_files_and_their_types(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,y\n1,p\n2,q\n")
    pa.parquet.write_table(pa.table({"a": [7], "y": ["p"]}), tmp_path / "t.parquet")
    found = sources.read(recipe("a.csv", "y", test="t.parquet"), tmp_path)
    assert given(found) == ["dealt", "dealt", "test"]
    assert found.table.column("a").to_pylist() == ["1", "2", "7"]


def test_folder_that_is_unclear(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds nothing"):
        sources.read(recipe(tmp_path), tmp_path)
    (tmp_path / "one.csv").write_text("a,b\n1,2\n")
    assert sources.read(recipe(tmp_path), tmp_path).table.num_rows == 1
    (tmp_path / "two.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"one\.csv, two\.csv: it is not clear"):
        sources.read(recipe(tmp_path), tmp_path)


def test_folder_of_pictures(tmp_path: Path) -> None:
    folder_of_pictures(tmp_path / "p")
    (tmp_path / "p" / "猫" / "notes.txt").write_text("x")
    found = sources.read(recipe("p"), tmp_path)
    assert found.table.column("label").to_pylist() == ["dogs"] * 3 + ["猫"] * 3
    assert found.table.column("image")[0].as_py() == png(100)
    assert (found.kinds, found.target) == ({"image": "image"}, "label")
    assert "1 .txt left aside" in found.notes[0]
    first = sources.read(recipe("p", limit=2), tmp_path)
    assert first.table.column("label").to_pylist() == ["dogs", "猫"]


def test_folder_of_pictures_with_splits(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        folder_of_pictures(tmp_path / split, each=1)
    assert given(sources.read(recipe(tmp_path), tmp_path)) == ["dealt"] * 2 + ["test"] * 2 + ["validation"] * 2


def test_pictures_that_are_wrong(tmp_path: Path) -> None:
    folder_of_pictures(tmp_path / "p", each=5)
    for number in range(4):
        (tmp_path / "p" / "dogs" / f"{number}.png").write_bytes(png(1)[: 20 + number])
    with pytest.raises(DataError, match="4 of 10 pictures do not open") as caught:
        sources.read(recipe("p"), tmp_path)
    assert str(caught.value).count(".png") == 3
    many = folder_of_pictures(tmp_path / "many", classes=("a",), each=1001) / "a"
    for name in ("0.png", "1000.png"):
        (many / name).write_bytes(b"")
    with pytest.raises(DataError, match="2 of 1001 pictures do not open"):
        sources.read(recipe("many"), tmp_path)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(png(1))
    with pytest.raises(DataError, match="no folders with pictures"):
        sources.read(recipe("flat"), tmp_path)
    (tmp_path / "empty" / "cats").mkdir(parents=True)
    with pytest.raises(DataError, match="it is not clear what to read"):
        sources.read(recipe("empty"), tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(tmp_path: Path, suffix: str) -> None:
    idx(tmp_path / "m", "train", 7, suffix)
    idx(tmp_path / "m", "t10k", 2, suffix)
    found = sources.read(recipe("m"), tmp_path)
    assert given(found) == ["dealt"] * 7 + ["test"] * 2
    assert found.table.column("label").to_pylist() == ["0", "1", "2", "0", "1", "2", "0", "0", "1"]
    picture = np.asarray(Image.open(io.BytesIO(found.table.column("image")[1].as_py())))
    assert picture.tolist() == [[6, 7, 8], [9, 10, 11]]
    assert sources.read(recipe("m", limit=3), tmp_path).table.num_rows == 5


def test_idx_that_is_wrong(tmp_path: Path) -> None:
    idx(tmp_path / "m", "train", 7, "")
    images = tmp_path / "m" / "train-images-idx3-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="ends after 41 of 42 bytes"):
        sources.read(recipe("m"), tmp_path)
    images.write_bytes(b"\x00\x00\x08\x01" + whole[4:])
    with pytest.raises(DataError, match="no IDX file of 3 dimensions"):
        sources.read(recipe("m"), tmp_path)
    images.write_bytes(whole)
    (tmp_path / "m" / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="has no train-labels-idx1-ubyte"):
        sources.read(recipe("m"), tmp_path)
    (tmp_path / "m" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\x00" * 99)[:-9])
    with pytest.raises(DataError, match=r"damaged|no IDX file"):
        sources.read(recipe("m"), tmp_path)


@pytest.mark.parametrize(
    ("name", "rows", "target"),
    [
        ("digits", 1797, "3"),
        ("breast_cancer", 569, "malignant"),
        ("diabetes", 442, 75.0),
        ("wine", 178, "class_1"),
        ("iris", 150, "virginica"),
    ],
)
def test_builtin_sets(tmp_path: Path, name: str, rows: int, target: object) -> None:
    found = sources.read(recipe(f"builtin:{name}"), tmp_path)
    assert found.table.num_rows == rows
    assert target in found.table.column(str(found.target)).to_pylist()


def test_builtin_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'digits'"):
        sources.read(recipe("builtin:digit"), tmp_path)


def test_tables_from_python(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from datasets import ClassLabel, Dataset, Features, Value

    columns = {"a": [1.5, None], "b": ["x", "y"]}
    labelled = Dataset.from_dict({"a": [1.5, None], "b": [0, 1]}).cast(
        Features({"a": Value("float64"), "b": ClassLabel(names=["x", "y"])})
    )
    rows = [{"a": 1.5, "b": "x"}, {"b": "y"}]
    for frame in (pandas.DataFrame(columns), pa.table(columns), Dataset.from_dict(columns), columns, rows, labelled):
        assert frames.read(frame).table.to_pydict() == columns, type(frame)
    assert sources.read(recipe(limit=1), tmp_path, columns).table.num_rows == 1


def test_pictures_and_mixed_values_from_python() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = frames.read({"image": [pixels, Image.fromarray(pixels), None], "mixed": [1, "a", None]})
    assert found.kinds == {"image": "image"}
    first, second, third = found.table.column("image").to_pylist()
    assert first == second == pictures.to_png(pixels)
    assert third is None
    assert found.table.column("mixed").to_pylist() == ["1", "a", None]


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (3, "int came"),
        ([], "list came"),
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        (pa.table([[1], [2]], names=["a", "a"]), "two columns called 'a'"),
        (pa.table({"a": pa.array([], pa.int64())}), "no rows"),
    ],
)
def test_what_is_no_table(frame: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        frames.read(frame)


@pytest.mark.parametrize("kind", ["frame", "csv", "jsonl", "parquet"])
def test_what_the_limit_leaves_out_is_a_line(tmp_path: Path, kind: str) -> None:
    table = pa.table({"x": list(range(30)), "y": ["a", "b", "c"] * 10})
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(30)))
    (tmp_path / "t.jsonl").write_text("".join(f'{{"x": {i}, "y": "{"abc"[i % 3]}"}}\n' for i in range(30)))
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    given = (None, table) if kind == "frame" else (f"t.{kind}", None)
    found = sources.read(recipe(given[0], limit=20), tmp_path, given[1])
    (line,) = found.lines
    assert found.table.num_rows == 20 and line["key"] == "data.limit: null" and "data.limit is 20" in line["why"]
    assert (line["rows"], line["done"]) in ((10, "left out"), (20, "used alone"))
    assert kind == "csv" or line["rows"] == 10 or kind == "jsonl"
    assert sources.read(recipe(given[0], limit=31), tmp_path, given[1]).lines == ()
    assert sources.read(recipe(given[0]), tmp_path, given[1]).lines == ()


def test_the_limit_of_a_given_test_file_is_a_line_too(tmp_path: Path) -> None:
    for name, count in (("t", 9), ("u", 30)):
        (tmp_path / f"{name}.csv").write_text("x,y\n" + "".join(f"{i},{'abc'[i % 3]}\n" for i in range(count)))
    assert len(sources.read(recipe("t.csv", test="u.csv", limit=20), tmp_path).lines) == 1
