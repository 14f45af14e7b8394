"""What prove asks of a recipe, writes into its record and page, and refuses."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"value": 0.90, "low": 0.88, "high": 0.92, "better": "higher", "unit": ""}
THEIRS = {"logistic_regression": {"value": 0.91, "low": 0.89, "high": 0.93}, "most_frequent": {"value": 0.5}}
FACTS = {"data_sha256": "d", "recipe_sha256": "r", "commit": "c", "seeds": [0, 1, 2], "model": "tabm", "auto": True}


@pytest.fixture
def prove(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/prove.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("prove")


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/targets.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("targets")


def test_every_recipe_has_a_target_and_every_target_a_recipe(targets: ModuleType) -> None:
    there = {path.parent.name for path in (ROOT / "recipes").glob("*/recipe.yaml")}
    assert set(targets.TARGETS) == there


@pytest.mark.parametrize(
    ("reach", "beside", "met"),
    [
        (0.90, None, [True]),
        (0.91, None, [False]),
        (None, "strongest", [True]),  # 0.90 >= 0.91 - 0.02
        (0.95, "most_frequent", [False, True]),
    ],
)
def test_rules_for_what_should_be_high(
    targets: ModuleType, reach: float | None, beside: str | None, met: list[bool]
) -> None:
    target = targets.Target(score="auc", reach=reach, beside=beside)
    found = targets.rules(target, "auc", OURS, THEIRS)
    assert [rule["met"] for rule in found] == met
    assert targets.rules(target, "accuracy", OURS, THEIRS) == []


@pytest.mark.parametrize(("value", "met"), [(51.0, True), (53.0, False)])
def test_rules_for_errors_are_the_other_way_round(targets: ModuleType, value: float, met: bool) -> None:
    """Half the interval is 2; ridge regression is at 50, the mean at 90."""
    target = targets.Target(score="rmse", beside="strongest")
    ours = {"value": value, "low": value - 2, "high": value + 2, "better": "lower"}
    [rule] = targets.rules(target, "rmse", ours, {"ridge_regression": {"value": 50.0}, "mean": {"value": 90.0}})
    assert (rule["baseline"], rule["limit"], rule["met"]) == ("ridge_regression", 52.0, met)


def a_run(value: float) -> dict[str, Any]:
    theirs = {name: {"auc": {"low": 0.4, "high": 0.95, **made}} for name, made in THEIRS.items()}
    return {"scores": {"auc": {**OURS, "value": value}}, "n": 1000, "baselines": theirs, "main": "auc"}


def test_a_record_says_which_rule_was_missed(
    prove: ModuleType, targets: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    both = targets.Target(score="auc", reach=0.95, beside="strongest")
    monkeypatch.setitem(targets.TARGETS, "mine", both)
    record = prove.record("mine", "auc", a_run(0.90), FACTS)
    assert record["met"] is False and record["target"] == 0.95 and record["baseline"] == "logistic_regression"
    assert [(rule["baseline"], rule["met"]) for rule in record["rules"]] == [("", False), ("logistic_regression", True)]
    (tmp_path / "mine").mkdir()
    page = tmp_path / "mine" / "README.md"
    page.write_text(f"before\n{prove.MARKS[0]}\nold\n{prove.MARKS[1]}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(prove, "RECIPES", tmp_path)
    prove.keep("mine", [record])
    text = page.read_text(encoding="utf-8")
    assert "at least 0.9500, **missed**" in text and "(0.8900), met" in text and "chose tabm" in text
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert json.loads((tmp_path / "mine" / "scores.json").read_text(encoding="utf-8")) == [record]


def test_scores_that_are_no_numbers_are_left_out(prove: ModuleType) -> None:
    run = a_run(0.9)
    run["scores"]["right_at_90"] = {"value": None, "low": None, "high": None, "better": "higher"}
    run["scores"]["accuracy"] = dict(OURS)  # no baseline has it
    assert prove._in_order(run) == ["auc"]


def test_the_median_of_the_seeds_is_recorded_and_other_seeds_write_nothing(
    prove: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    text = "data: {source: 'builtin:iris', limit: 120}\ntarget: target\nmodel: linear\ntrain: {epochs: 1}\n"
    (folder / "recipe.yaml").write_text(f"{text}evaluate: {{bootstrap: 100}}\n", encoding="utf-8")
    (folder / "README.md").write_text("\n".join(prove.MARKS), encoding="utf-8")
    monkeypatch.setattr(prove, "RECIPES", tmp_path)
    monkeypatch.setenv("FEILUN_DATA", str(tmp_path))
    homes = str(tmp_path / "runs" / "{seed}")
    assert prove.main(["digits", "--home", homes, "--seeds", "2"]) in (0, 3)
    assert "nothing written" in capsys.readouterr().out and not (folder / "scores.json").exists()
    assert prove.main(["digits", "--home", homes]) in (0, 3)
    assert sorted(str(one.parent.relative_to(tmp_path)) for one in tmp_path.rglob("run.json")) == [
        f"runs/{seed}/recipe/1" for seed in (0, 1, 2)
    ]
    records = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    said = [float(line.split("accuracy ")[1].split()[0]) for line in capsys.readouterr().out.splitlines()[:3]]
    assert records[0]["score"] == "accuracy" and records[0]["seeds"] == [0, 1, 2]
    assert f"{records[0]['value']:.4f}" == f"{sorted(said)[1]:.4f}"
    assert "accuracy **" in (folder / "README.md").read_text(encoding="utf-8")


def test_an_unknown_recipe_is_told_with_what_there_is(prove: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert prove.main(["mnits"]) == 2
    assert "No recipe called mnits. There are: adult-income" in capsys.readouterr().err
