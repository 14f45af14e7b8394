"""A run whose recipe says what mistakes cost: money is the main score, baselines have their own thresholds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from feilun import lifecycle
from feilun.core import reading


def test_baselines_are_judged_in_money_at_thresholds_of_their_own(tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = [(draw.gauss(0, 1), draw.gauss(0, 1)) for _ in range(600)]
    lines = ["a,b,y", *(f"{a:.4f},{b:.4f},{10 if a + draw.gauss(0, 1) > 1.2 else 9}" for a, b in rows)]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "my.yaml").write_text(
        "data: {source: t.csv}\ntask: classification\ntarget: y\nmodel: linear\ntrain: {epochs: 10}\n"
        "evaluate: {bootstrap: 100, costs: {false_positive: 1, false_negative: 9}}\noptimize: {quantize: none}\n",
        encoding="utf-8",
    )
    run = lifecycle.run_recipe(reading.read_recipe(tmp_path / "my.yaml"), home=tmp_path / "runs", base=tmp_path)
    found = json.loads((run.stages["evaluation"] / "scores.json").read_text("utf-8"))
    assert found["main"] == "profit" and found["money"]["positive"] == "10"  # 9 before 10, though not as letters
    assert found["money"]["others"]["always yes"] > found["money"]["others"]["always no"]
    lines = (run.stages["evaluation"] / "answers.jsonl").read_text("utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    for name, scores in found["baselines"].items():
        told = found["money"]["baselines"][name]
        assert 0 < told["threshold"] < 0.3, "at a half a baseline would hardly ever say 10"
        said = [line["baselines"][name] for line in answers]
        assert all((one["label"] == "10") == (one["scores"]["10"] >= told["threshold"]) for one in said)
        costs = [
            {("10", "9"): 1, ("9", "10"): 9}.get((one["label"], line["truth"]), 0)
            for one, line in zip(said, answers, strict=True)
        ]
        assert scores["profit"]["value"] == told["value"] == pytest.approx(-sum(costs) / len(costs))
    frequent = found["baselines"]["most_frequent"]["profit"]["value"]
    assert frequent == pytest.approx(found["money"]["others"]["always yes"]), "the better of the two without a model"
    assert found["against"]["most_frequent"]["difference"] == pytest.approx(
        found["scores"]["profit"]["value"] - frequent
    )
    page = (run.folder / "report.html").read_text("utf-8")
    assert "logistic regression from 0." in page and "makes the most" not in page
