"""Two evaluations on the rows that both answered, and folds as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core import manifest
from feilun.core.errors import DataError, InputError
from feilun.core.manifest import Manifest
from feilun.core.recipe import Recipe
from feilun.stages.evaluation import verbs

N = 400
DRAW = np.random.default_rng(8)
TRUTHS = [("no", "yes")[place % 2] for place in range(N)]
RECIPE = {"task": "classification", "inputs": {"x": "number"}, "target": "y", "evaluate": {"bootstrap": 200}}


def answer(label: str) -> dict[str, Any]:
    return {
        "label": label,
        "score": 0.8,
        "scores": {"no": 0.8 if label == "no" else 0.2, "yes": 0.8 if label == "yes" else 0.2},
    }


def evaluated(folder: Path, wrong: range, rows: range = range(N), **more: Any) -> Path:
    """A finished evaluation of these rows that is wrong at `wrong`."""
    folder = folder / "evaluation"
    folder.mkdir(parents=True)
    other = {"no": "yes", "yes": "no"}
    lines = [
        {
            "id": f"r{place}",
            "answer": answer(other[TRUTHS[place]] if place in wrong else TRUTHS[place]),
            "truth": TRUTHS[place],
            "baselines": {"always_yes": answer("yes")},
            **({"group": place // 20} if more.get("grouped") else {}),
        }
        for place in rows
    ]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    recipe = Recipe.model_validate({**RECIPE, **more.get("recipe", {})})
    manifest.write(
        folder, Manifest(kind="evaluation", key="k", recipe=recipe.part("task", "seed", "inputs", "target", "evaluate"))
    )
    return folder


def test_the_difference_is_paired_and_said_in_words(tmp_path: Path) -> None:
    common = range(100)  # both are wrong there: unpaired intervals overlap by far
    first, second = evaluated(tmp_path / "1", range(115)), evaluated(tmp_path / "2", common)
    found = verbs.compare(first, second)
    row = found["scores"]["accuracy"]
    assert found["n"] == N and row["difference"]["difference"] == pytest.approx(15 / N)
    assert row["difference"]["low"] > 0 and row["difference"]["words"] == "clearly better"
    assert row["first"]["high"] > row["second"]["low"]
    assert "second is clearly better than first" in found["words"] and found["notes"] == []
    back = verbs.compare(second, first)
    assert back["scores"]["accuracy"]["difference"]["words"] == "clearly worse"
    assert "first is clearly better than second" in back["words"]
    assert set(found["scores"]) >= {"accuracy", "auc", "f1", "log_loss"} and any(
        "accuracy" in x for x in found["lines"]
    )
    same = verbs.compare(first, first)
    assert same["scores"]["accuracy"]["difference"]["words"] == "no clear difference"


def test_other_test_rows_are_judged_on_the_common_ones_and_it_is_said(tmp_path: Path) -> None:
    first = evaluated(tmp_path / "1", range(0), range(300))
    second = evaluated(tmp_path / "2", range(0), range(100, 400))
    found = verbs.compare(first, second)
    assert found["n"] == 200 and "200 common" in found["notes"][0]


def test_nothing_in_common_is_an_error(tmp_path: Path) -> None:
    first, second = (
        evaluated(tmp_path / "1", range(0), range(100)),
        evaluated(tmp_path / "2", range(0), range(100, 200)),
    )
    with pytest.raises(InputError, match="no test row in common"):
        verbs.compare(first, second)
    other = evaluated(tmp_path / "3", range(0), recipe={"task": "regression"})
    with pytest.raises(InputError, match="one is classification, the other regression"):
        verbs.compare(first, other)
    (first / "answers.jsonl").unlink()
    with pytest.raises(InputError, match="is missing"):
        verbs.compare(first, second)


def test_folds_become_one_score_over_all_rows(tmp_path: Path) -> None:
    folds = [evaluated(tmp_path / str(k), range(100, 140), range(100 * k, 100 * k + 100)) for k in range(4)]
    found = verbs.pool(Recipe.model_validate(RECIPE), [{"evaluation": folder} for folder in folds])
    assert (found["score"], found["better"], found["unit"], found["n"]) == ("accuracy", "higher", "%", N)
    assert found["value"] == pytest.approx(0.9) and found["low"] < 0.9 < found["high"]
    assert [fold["value"] for fold in found["folds"]] == pytest.approx([1.0, 0.6, 1.0, 1.0])
    assert [(fold["fold"], fold["n"]) for fold in found["folds"]] == [(k, 100) for k in range(4)]
    assert {key: found["scores"]["accuracy"][key] for key in ("value", "low", "high", "better", "unit")} == {
        key: found[key] for key in ("value", "low", "high", "better", "unit")
    }
    assert set(found["scores"]) >= {"accuracy", "auc", "f1", "log_loss"}
    assert found["baselines"]["always_yes"]["value"] == 0.5
    assert found["against"]["always_yes"]["words"] == "clearly better"
    json.dumps(found, allow_nan=False)


def test_groups_of_folds_widen_the_interval_and_a_row_has_one_fold(tmp_path: Path) -> None:
    wrong = range(100, 160)  # three whole groups of twenty
    alone = [evaluated(tmp_path / f"a{k}", wrong, range(100 * k, 100 * k + 100)) for k in range(4)]
    grouped = [evaluated(tmp_path / f"g{k}", wrong, range(100 * k, 100 * k + 100), grouped=True) for k in range(4)]
    recipe = Recipe.model_validate(RECIPE)
    width = [found["high"] - found["low"] for found in (verbs.pool(recipe, alone), verbs.pool(recipe, grouped))]
    assert width[1] > 2.5 * width[0]
    with pytest.raises(DataError, match="two folds"):
        verbs.pool(recipe, [alone[0], alone[0]])


def test_a_row_whose_truth_changed_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    first, second = evaluated(tmp_path / "1", range(0)), evaluated(tmp_path / "2", range(0))
    lines = (second / "answers.jsonl").read_text("utf-8").splitlines()
    lines[0] = lines[0].replace('"truth": "no"', '"truth": "yes"')
    (second / "answers.jsonl").write_text("\n".join(lines), "utf-8")
    found = verbs.compare(first, second)
    assert found["n"] == N - 1 and "1 common rows have another truth" in found["notes"][0]
