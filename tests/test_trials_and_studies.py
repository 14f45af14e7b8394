"""model: auto, folds and learning curves: many runs of one recipe, and no version loses what it is made of."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from feilun import lifecycle, studies
from feilun.core import manifest, reading
from feilun.core.errors import RecipeError
from feilun.core.progress import Quiet
from feilun.lifecycle import STAGES, Given, Run

RECIPE = """
data: {source: t.csv}
target: y
model: auto
train: {epochs: 2}
evaluate: {score: auc, bootstrap: 100}
optimize: {quantize: none}
"""


def write(folder: Path, rows: int = 300, seed: int = 0) -> None:
    """A table in which y follows from two numbers, with noise."""
    draw = random.Random(seed)
    lines = ["a,b,c,y"]
    for _ in range(rows):
        a, b = draw.gauss(0, 1), draw.gauss(0, 1)
        lines.append(f"{a:.4f},{b:.4f},{draw.choice('pqr')},{'yes' if a + b + draw.gauss(0, 0.5) > 0 else 'no'}")
    (folder / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "my.yaml").write_text(RECIPE, encoding="utf-8")


def run(folder: Path, *settings: str) -> Run:
    """`feilun run my.yaml` in this folder."""
    recipe = reading.read_recipe(folder / "my.yaml", settings)
    return lifecycle.run_recipe(recipe, home=folder / "runs", base=folder)


def test_auto_keeps_the_best_and_shows_all(tmp_path: Path) -> None:
    write(tmp_path)
    made = run(tmp_path)
    found = json.loads((made.folder / "auto.json").read_text(encoding="utf-8"))
    assert found["score"] == "auc" and len(found["models"]) >= 2
    [chosen] = [model for model in found["models"] if model["chosen"]]
    assert chosen["model"] == made.recipe.model.name
    values = [model["value"] for model in found["models"] if "value" in model]
    assert chosen["value"] >= max(values) - 0.1
    assert found["rows"] == int((manifest_rows(made) == 1).sum())
    assert all(place.parent == made.folder for place in made.stages.values()), "a run owns what it is made of"
    assert run(tmp_path).version == made.version


def manifest_rows(made: Run) -> Any:
    """The splits of the run's rows."""
    import numpy as np

    return np.load(made.stages["data"] / "splits.npy")


def test_a_candidate_that_fails_is_listed_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    plain = lifecycle.call

    def call(stage: str, verb: str, *args: Any, **options: Any) -> Any:
        made = plain(stage, verb, *args, **options)
        if verb == "candidates":  # one whose network refuses these columns when it is built
            return [made[0].but(model={"name": "cnn"}), *made]
        return made

    monkeypatch.setattr(lifecycle, "call", call)
    found = json.loads((run(tmp_path).folder / "auto.json").read_text(encoding="utf-8"))
    failed = [model for model in found["models"] if model["error"]]
    assert {model["model"] for model in failed} == {"cnn"}
    assert all("cnn" in model["error"] and not model["chosen"] for model in failed)


def test_new_data_does_not_take_an_older_version_apart(tmp_path: Path) -> None:
    write(tmp_path)
    first = run(tmp_path)
    studies.learning_curve(first, Given(base=tmp_path, say=Quiet()), parts=(0.5, 1.0))
    write(tmp_path, seed=1)
    second = run(tmp_path)
    studies.learning_curve(second, Given(base=tmp_path, say=Quiet()), parts=(0.5, 1.0))
    assert (first.number, second.number) == (1, 2)
    for made in (first, second):
        for stage in STAGES:
            folder = lifecycle.stage_folders(made.folder)[stage]
            found = manifest.read(folder)
            assert found is not None
            manifest.verify(folder, found.files)


def test_a_study_becomes_no_part_of_a_version(tmp_path: Path) -> None:
    """A run whose recipe equals a study's takes the study's stages over instead of pointing into its folder."""
    write(tmp_path)
    first = run(tmp_path, "model=linear")
    studies.learning_curve(first, Given(base=tmp_path, say=Quiet()), parts=(0.5, 1.0))
    half = run(tmp_path, "model=linear", "data.split.part=0.5")
    assert "training" in half.skipped
    assert all(place.parent.name.isdigit() for place in half.stages.values())


def test_a_learning_curve_uses_nested_parts_of_the_training_rows_and_the_same_test_rows(tmp_path: Path) -> None:
    write(tmp_path, rows=400)
    made = run(tmp_path, "model=linear", "train.epochs=20")
    found = studies.learning_curve(made, Given(base=tmp_path, say=Quiet()), parts=(0.25, 0.5, 1.0))
    rows = [point["rows"] for point in found["points"]]
    assert rows == sorted(rows) and rows[0] < 0.35 * rows[-1]
    assert found["more"]["low"] <= found["more"]["value"] <= found["more"]["high"]
    assert f"{found['more']['rows']:,} more labels" in found["more"]["words"]
    assert json.loads((made.folder / "learning.json").read_text(encoding="utf-8")) == found


def test_folds_of_given_test_rows_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "u.csv").write_text("\n".join(lines[:60]) + "\n", encoding="utf-8")
    made = run(tmp_path, "model=linear", "data.test=u.csv")
    with pytest.raises(RecipeError, match=r"data\.test"):
        studies.cross_validate(made, 3, Given(base=tmp_path, say=Quiet()))


def test_folds_answer_every_row_once(tmp_path: Path) -> None:
    write(tmp_path)
    made = run(tmp_path, "model=linear")
    found = studies.cross_validate(made, 3, Given(base=tmp_path, say=Quiet()))
    assert found["n"] == 300 and len(found["folds"]) == 3
    assert sum(fold["n"] for fold in found["folds"]) == 300
    assert found["low"] <= found["value"] <= found["high"]
    assert all("model" not in fold for fold in found["folds"]), "only what auto chose is said"


def trained(made: Run) -> set[tuple[int | None, float, str]]:
    """(fold, part, model) of every training beside the run."""
    keys = {}
    for folder in made.folder.parent.glob("*/data"):
        data = manifest.read(folder)
        assert data is not None
        split = data.recipe["data"]["split"]
        keys[data.key] = (split["fold"] if split["folds"] else None, split["part"])
    found = [manifest.read(folder) for folder in made.folder.parent.glob("*/training")]
    return {(*keys[one.inputs["data"]], one.recipe["model"]["name"]) for one in found if one is not None}


def test_auto_chooses_in_every_fold_by_that_fold_s_own_validation_rows(tmp_path: Path) -> None:
    write(tmp_path)
    made = run(tmp_path, "train.epochs=1")  # too few for one to fall behind
    found = studies.cross_validate(made, 2, Given(base=tmp_path, say=Quiet()))
    assert {(fold, 1.0, model) for fold in (0, 1) for model in ("linear", "tabm")} <= trained(made)
    chosen = [fold["model"] for fold in found["folds"]]
    assert set(chosen) <= {"linear", "tabm"}
    [words] = [line for line in lifecycle.call("evaluation", "studied", found) if "auto chose anew" in line]
    assert all(model in words for model in chosen)
    assert "auto chose anew" in (made.folder / "card.md").read_text(encoding="utf-8")
    assert "每次训练都由 auto" in (made.folder / "report.html").read_text(encoding="utf-8")


def test_auto_chooses_at_every_point_of_a_learning_curve(tmp_path: Path) -> None:
    write(tmp_path)
    made = run(tmp_path, "train.epochs=1")  # too few for one to fall behind
    found = studies.learning_curve(made, Given(base=tmp_path, say=Quiet()), parts=(0.5, 1.0))
    assert {(None, 0.5, "linear"), (None, 0.5, "tabm")} <= trained(made)
    assert found["points"][-1]["model"] == made.recipe.model.name, "all rows choose as the run did"
    assert any("auto chose anew" in line for line in lifecycle.call("evaluation", "studied", found))


def test_the_recipe_that_is_written_back_measures_nothing_and_gives_the_same_weights(tmp_path: Path) -> None:
    write(tmp_path)
    asked = ("model=linear", "train.learning_rate=auto", "train.time_limit_s=100")
    first = run(tmp_path, *asked)
    assert run(tmp_path, *asked).version == first.version, "the same command finds everything made"
    saved = json.loads((first.folder / "run.json").read_text(encoding="utf-8"))
    written = reading.make_recipe(saved["recipe"])
    assert written.train.find == () and written.train.time_limit_s is None
    assert saved["asked"]["train"]["find"] == ["learning_rate"]
    again = lifecycle.run_recipe(written, home=tmp_path / "other", base=tmp_path)
    assert not (again.stages["training"] / "chosen.json").exists()
    weights = [(made.stages["training"] / "weights.safetensors").read_bytes() for made in (first, again)]
    assert weights[0] == weights[1]
    assert "Chosen by measurement before training" in (first.folder / "report.html").read_text(encoding="utf-8")
