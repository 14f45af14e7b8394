"""The data stage's folder: what is written comes back, memory-mapped, in blocks, whatever the names."""

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from feilun.core.errors import DataError
from feilun.parts.dataset import SPLITS, Table, table, write
from feilun.parts.dataset.columns import values_of
from feilun.parts.dataset.table import load_rows, save_rows
from feilun.parts.features.category import FEATURE as Category
from feilun.parts.features.image import FEATURE as Image
from feilun.parts.features.labels import FEATURE as Labels
from feilun.parts.features.number import FEATURE as Number
from feilun.parts.features.text import FEATURE as Text
from feilun.parts.ops import threads
from feilun.parts.ops.coded import Coded
from feilun.parts.ops.ragged import Ragged

NAMES = ("价格", "a.b/c", "t e:x*t", "..")


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    count = 50
    return {
        "_id": [f"r{place}" for place in range(count)],
        "价格": generator.normal(size=count).tolist(),
        "a.b/c": [["x", "y", None][place % 3] for place in range(count)],
        "text": ["word " * (1 + place % 7) for place in range(count)],
        "image": [bytes(png(place)) for place in range(count)],
        "label": ["yes" if place % 2 else "no" for place in range(count)],
    }


def png(grey):
    import io

    from PIL import Image as pillow

    out = io.BytesIO()
    pillow.fromarray(np.full((4, 4), grey, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def features():
    return {
        "价格": Number(columns=("价格",)),
        "a.b/c": Category(columns=("a.b/c",)),
        "t e:x*t": Text(columns=("text",), tokens="words"),
        "..": Image(columns=("image",)),
        "target": Labels(columns=("label",)),
    }


@pytest.fixture
def splits():
    return np.array([0, 0, 0, 1, 2, 3, 4, 0, 0, 3] * 5, np.int8)


def test_everything_comes_back(rows, features, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK", 7)  # several blocks, the last one short
    origin = np.zeros(50, np.int16)
    fitted = write(tmp_path, Dataset.from_dict(rows), splits, origin, features, [{"column": "价格"}])
    back = Table.open(tmp_path)
    assert back.features == fitted and back.profile == [{"column": "价格"}]
    np.testing.assert_array_equal(back.splits, splits)
    np.testing.assert_array_equal(back.origin, origin)
    assert back.rows["_id"][:2] == ["r0", "r1"]
    for name, feature in fitted.items():
        whole = feature.encode(rows)
        if isinstance(whole, Ragged):
            np.testing.assert_array_equal(back.arrays[name].values, whole.values)
            np.testing.assert_array_equal(back.arrays[name].offsets, whole.offsets)
            assert isinstance(back.arrays[name].values, np.memmap)
        else:
            np.testing.assert_array_equal(back.arrays[name], whole)
            assert isinstance(back.arrays[name], np.memmap)
    assert {path.parent.name for path in (tmp_path / "arrays").rglob("*.npy")} == {"arrays"}


def test_splits_give_their_rows_in_order(rows, features, splits, tmp_path):
    write(tmp_path, Dataset.from_dict(rows), splits, np.zeros(50), features, [])
    back = Table.open(tmp_path)
    assert sum(len(back.index(split)) for split in SPLITS) == 50
    test = back.columns("test")
    assert test["_id"] == [f"r{place}" for place in np.flatnonzero(splits == 3)]
    assert back.columns("test", limit=2)["_id"] == test["_id"][:2]
    assert set(test) == set(rows)


def test_features_are_fitted_on_training_rows_only(rows, features, splits, tmp_path):
    rows["价格"] = [1e9 if split else 1.0 * place for place, split in enumerate(splits)]
    fitted = write(tmp_path, Dataset.from_dict(rows), splits, np.zeros(50), features, [])
    assert fitted["价格"].scales[0]["mean"] < 50


def test_a_label_that_only_test_rows_have_is_a_label(rows, features, splits, tmp_path):
    rows["label"][5] = "rare"  # row 5 is a test row, row 6 is kept for judging
    assert write(tmp_path, Dataset.from_dict(rows), splits, np.zeros(50), features, [])["target"].labels[1] == "rare"


def test_in_a_lap_fitted_features_stay_as_they_are(rows, features, splits, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    fitted = write(tmp_path / "1", Dataset.from_dict(rows), splits, np.zeros(50), features, [])
    more = {**rows, "a.b/c": ["new"] * 50}
    again = write(tmp_path / "2", Dataset.from_dict(more), splits, np.ones(50), fitted, [])
    assert again == fitted
    assert not Table.open(tmp_path / "2").arrays["a.b/c"].any()


def test_nothing_is_drawn_on_the_terminal(rows, features, splits, tmp_path, capfd):
    write(tmp_path, Dataset.from_dict(rows), splits, np.zeros(50), features, [])
    assert Table.open(tmp_path).columns("train")
    out, err = capfd.readouterr()
    assert not out and not err


def test_the_files_are_the_same_whatever_the_number_of_threads(rows, features, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK", 3)
    monkeypatch.setattr(table, "FEW", 3)
    written = []
    for most in (1, 4):
        monkeypatch.setattr(threads, "MOST", most)
        monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
        (tmp_path / str(most)).mkdir()
        write(tmp_path / str(most), Dataset.from_dict(rows), splits, np.zeros(50), features, [])
        files = sorted((tmp_path / str(most)).rglob("*.*"))
        written.append({path.relative_to(tmp_path / str(most)): path.read_bytes() for path in files if path.is_file()})
    dates = {path for path in written[0] if path.name in ("state.json", "dataset_info.json")}  # datasets' own
    assert {path: written[0][path] for path in set(written[0]) - dates} == {
        path: written[1][path] for path in set(written[1]) - dates
    }


def test_a_wrong_value_in_any_block_is_named(rows, features, splits, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK", 5)
    fitted = write(tmp_path, Dataset.from_dict(rows), splits, np.zeros(50), features, [])
    rows["label"][33] = "perhaps"
    (tmp_path / "again").mkdir()
    with pytest.raises(DataError, match="'perhaps' of 'label'"):
        write(tmp_path / "again", Dataset.from_dict(rows), splits, np.zeros(50), fitted, [])


def test_rows_are_saved_as_datasets_would(rows, tmp_path):
    rows["list"] = [[{"label": "a", "box": [0.0, 1.0]}]] * 49 + [None]
    written = Dataset.from_dict(rows)
    save_rows(written, tmp_path / "rows")
    back = load_rows(tmp_path / "rows")
    assert back.features == written.features and len(back) == 50
    assert back[:] == written[:]
    save_rows(written.select([7, 3]), tmp_path / "picked")
    assert load_rows(tmp_path / "picked")["_id"][:] == ["r7", "r3"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, None, 2.0], np.ndarray),
        ([1, 2, 3], np.ndarray),
        ([1, None, 3], list),
        (["a", None, "a", "b"] * 4, Coded),
        (["a", "b", "c", None], list),
        ([True, None], list),
        ([b"x", None], list),
    ],
)
def test_a_column_is_read_in_the_form_that_features_are_quick_with(values, kind):
    column = pa.chunked_array([pa.array(values[:1]), pa.array(values[1:], pa.array(values).type)])
    assert isinstance(values_of(column), kind)
    index = np.array([len(values) - 1, 0, 1] * 8)
    for read, expected in ((values_of(column), values), (values_of(column, index), [values[place] for place in index])):
        assert [None if value != value else value for value in read] == expected
