"""The loop itself: stages skipped, versions numbered, interrupted runs continued, laps closed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import feilun
from feilun import lifecycle
from feilun.core import manifest, progress
from feilun.core.errors import BusyError, InputError, IntegrityError, RecipeError
from feilun.core.recipe import Recipe

SMALL = {
    "train__epochs": 6,
    "train__batch_size": 16,
    "train__learning_rate": 0.01,
    "model": {"name": "mlp", "width": 16},
    "evaluate__bootstrap": 100,
}


def table(rows: int = 160) -> pa.Table:
    """Two numbers and a category that decide a label, with a little noise."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, rows))
    colour = random.choice(["红", "绿"], rows)
    label = np.where(x + (colour == "红") + 0.1 * random.normal(size=rows) > 0.5, "yes", "no")
    return pa.table({"x": x, "y": y, "颜色": colour, "bought": label})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one finished run, shop@1."""
    home = tmp_path_factory.mktemp("home")
    run = feilun.run(table(), target="bought", name="shop", home=home, **SMALL)
    assert run.version == "shop@1" and run.skipped == ()
    return home


def again(home: Path, **changes: object) -> lifecycle.Run:
    return feilun.run(table(), target="bought", name="shop", home=home, **{**SMALL, **changes})


def test_same_recipe_and_data_make_nothing_again(home: Path) -> None:
    before = sorted(path.name for path in (home / "shop").iterdir() if path.is_dir())
    run = again(home)
    assert run.version == "shop@1"
    assert run.skipped == lifecycle.STAGES
    assert sorted(path.name for path in (home / "shop").iterdir() if path.is_dir()) == before


def test_a_changed_key_makes_only_what_depends_on_it(home: Path) -> None:
    run = again(home, train__epochs=7)
    assert run.number > 1
    assert run.skipped == ("data",)
    assert run.stages["data"] == home / "shop" / "1" / "data"
    assert manifest.read(home / "shop" / "1" / "deployment") is not None, "the first version must stay whole"


def test_an_interrupted_run_goes_on_under_its_number(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pull_the_plug(stage: str, verb: str, *args: object, **options: object) -> object:
        if (stage, verb) == ("optimization", "make"):
            raise KeyboardInterrupt
        return call(stage, verb, *args, **options)

    call = lifecycle.call
    monkeypatch.setattr(lifecycle, "call", pull_the_plug)
    with pytest.raises(KeyboardInterrupt):
        again(home, seed=5)
    monkeypatch.undo()
    last = max(int(path.name) for path in (home / "shop").iterdir() if path.name.isdigit())
    run = again(home, seed=5)
    assert run.number == last
    assert run.skipped == ("data", "training", "evaluation")


def test_a_damaged_stage_is_refused_not_used(home: Path) -> None:
    run = again(home, train__learning_rate=0.02)
    weights = run.stages["training"] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"weights\.safetensors"):
        again(home, train__learning_rate=0.02)
    content[-1] ^= 1
    weights.write_bytes(content)
    assert again(home, train__learning_rate=0.02).version == run.version


def test_the_bundle_answers_by_name_version_and_path(home: Path) -> None:
    rows = [{"x": 3.0, "y": 0.0, "颜色": "红"}, {"x": -3.0, "y": 0.0, "颜色": "绿"}]
    labels = [[answer["label"] for answer in bundle.predict(rows)] for bundle in _bundles(home)]
    assert labels == [["yes", "no"]] * 3


def _bundles(home: Path) -> list[object]:
    return [
        feilun.load("shop", home=home),
        feilun.load("shop@1", home=home),
        feilun.load(home / "shop" / "1" / "deployment" / "bundle"),
    ]


@pytest.mark.parametrize(
    ("thing", "words"), [("shpo", "Did you mean shop"), ("shop@99", "shop@1"), ("shop@x", "no version")]
)
def test_a_wrong_name_names_the_nearest(home: Path, thing: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        lifecycle.find(thing, home)


def test_two_runs_of_one_name_do_not_meet(home: Path) -> None:
    with progress.locked(home / "shop"), pytest.raises(BusyError):
        again(home)


def test_the_run_folder_says_what_it_is(home: Path) -> None:
    saved = json.loads((home / "shop" / "1" / "run.json").read_text(encoding="utf-8"))
    assert saved["finished"] is True and list(saved["stages"]) == list(lifecycle.STAGES)
    assert Recipe.model_validate(saved["recipe"]).target is not None
    for stage in lifecycle.STAGES:
        made = manifest.read(home / "shop" / saved["stages"][stage])
        assert made is not None and made.seconds > 0 and made.key
        manifest.verify(home / "shop" / saved["stages"][stage], made.files)


def test_a_wrong_key_from_python_is_told_as_in_a_file(home: Path) -> None:
    with pytest.raises(RecipeError, match=r"train\.epochs"):
        again(home, train__epoch=1)


def test_a_bundle_answers_an_arrow_table(home: Path) -> None:
    bundle = feilun.load("shop@1", home=home)
    assert len(bundle.predict(table(5).drop_columns(["bought"]))) == 5
