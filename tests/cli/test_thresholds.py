"""`--fail-under` in every form, and what it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from feilun.cli import thresholds
from feilun.cli.main import main
from feilun.core.errors import InputError, ThresholdMissed

SCORES: dict[str, Any] = {
    "auc": {"value": 0.8, "better": "higher"},
    "rmse": {"value": 5.0, "better": "lower"},
    "empty": {"value": None, "better": "higher"},
    "rate": {"value": 0.3, "better": "", "of": "business"},
}


@pytest.mark.parametrize("text", ["auc=high", "auc=", "auc=nan", "inf", "auc=0.8=0.9x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--fail-under"):
        thresholds.parsed([text])


def test_a_bare_number_means_the_main_score() -> None:
    thresholds.require(thresholds.parsed(["0.8"]), SCORES, "auc", "my@1")
    with pytest.raises(ThresholdMissed, match="auc"):
        thresholds.require(thresholds.parsed(["0.81"]), SCORES, "auc", "my@1")


def test_a_score_of_errors_misses_from_above() -> None:
    thresholds.require({"rmse": 5.5}, SCORES, "auc", "my@1")
    with pytest.raises(ThresholdMissed, match="rmse"):
        thresholds.require({"rmse": 4.5}, SCORES, "auc", "my@1")


def test_a_score_that_is_not_known_misses() -> None:
    with pytest.raises(ThresholdMissed, match="not known"):
        thresholds.require({"empty": 0.5}, SCORES, "auc", "my@1")


@pytest.mark.parametrize("name", ["rate", "acu"])
def test_a_business_metric_and_an_unknown_name_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        thresholds.require({name: 0.5}, SCORES, "auc", "my@1")


def test_with_folds_the_score_over_the_folds_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(3)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(200)]
    lines = ["a,b,y", *(f"{a:.4f},{b:.4f},{'yes' if a + draw.gauss(0, 1) > 0 else 'no'}" for a, b in rows)]
    Path("t.csv").write_text("\n".join(lines), encoding="utf-8")
    Path("my.yaml").write_text(
        "data: {source: t.csv}\ntarget: y\nmodel: linear\ntrain: {epochs: 5}\nevaluate: {bootstrap: 100}\n"
        "optimize: {quantize: none}\n",
        encoding="utf-8",
    )
    asked = ["evaluate", "my.yaml", "--folds", "2"]
    assert main([*asked, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["result"]
    one, pooled = (found["scores"]["accuracy"]["value"] for found in (value, value["folds"]))
    assert set(value["scores"]) == set(value["folds"]["scores"]) and one != pooled
    between = ["--fail-under", f"accuracy={(one + pooled) / 2}"]
    assert main([*asked, *between]) == (3 if pooled < one else 0)
    assert "over 2 folds" in "".join(capsys.readouterr())
    assert main(["evaluate", "my.yaml", *between]) == (0 if pooled < one else 3)
    assert "over the test rows" in "".join(capsys.readouterr())


def test_a_name_that_is_no_score_is_told_before_the_folds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="acu"):
        thresholds.check({"acu": 0.5}, SCORES, "auc", "my@1")
    with pytest.raises(ThresholdMissed, match=r"auc over 5 folds of 0\.8"):
        thresholds.require({"auc": 0.9}, SCORES, "auc", "my@1", "5 folds")
