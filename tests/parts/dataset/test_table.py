"""The data stage's folder: what is written comes back, memory-mapped, in blocks, whatever the names."""

import numpy as np
import pytest
from datasets import Dataset

from feilun.parts.dataset import SPLITS, Table, table, write
from feilun.parts.features.category import FEATURE as Category
from feilun.parts.features.image import FEATURE as Image
from feilun.parts.features.labels import FEATURE as Labels
from feilun.parts.features.number import FEATURE as Number
from feilun.parts.features.text import FEATURE as Text
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
