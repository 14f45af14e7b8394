"""The first programs: short, on data that can be learnt, and measured the same way on both sides."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from feilun import lifecycle
from feilun.core import reading

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "claim",
    "ours",
    "peer",
    "unit",
    "ratio_median",
    "ratio_min",
    "ratio_max",
    "null_ratio",
    "runs",
    "target",
    "met",
}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/starter_programs.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("starter_programs")


@pytest.fixture
def sequences(programs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The LSTM's data, 300 rows of it."""
    monkeypatch.setattr(programs, "ROWS", 300)
    path = tmp_path / "sequences.npz"
    programs.write_sequences(path)
    return path


def test_every_recipe_has_at_most_ten_lines_and_its_plain_program(programs: ModuleType) -> None:
    there = {path.parent.name for path in (ROOT / "recipes").glob("starter-*/recipe.yaml")}
    assert {one.recipe for one in programs.PROGRAMS} == there
    for one in programs.PROGRAMS:
        recipe, plain = ROOT / "recipes" / one.recipe / "recipe.yaml", ROOT / "benchmarks" / "plain" / f"{one.plain}.py"
        assert programs.lines(recipe) <= 10 < programs.lines(plain)


def test_the_sequences_are_always_the_same_and_can_be_learnt(sequences: Path, programs: ModuleType) -> None:
    data = np.load(sequences)
    again = sequences.with_name("again.npz")
    programs.write_sequences(again)
    assert all(np.array_equal(data[name], np.load(again)[name]) for name in data.files)
    steps, answers = data["x"].astype(float), np.stack([data[f"y{place}"] for place in range(10)], 1)
    assert steps.shape == (300, 100, 10)
    explained = []
    for place, wave in enumerate(steps.transpose(2, 0, 1)):  # each answer from its own wave alone, by least squares
        inputs = np.concatenate([wave[:, -40:], np.ones((300, 1))], 1)
        weights = np.linalg.lstsq(inputs[:200], answers[:200, place], rcond=None)[0]
        wrong = answers[200:, place] - inputs[200:] @ weights
        explained.append(1 - wrong.var() / answers[200:, place].var())
    assert 0.8 < np.mean(explained) < 0.999  # learnable, and not given away


def test_the_lstm_recipe_learns_them(sequences: Path, tmp_path: Path) -> None:
    small = ["train.epochs=2", "model.width=16", "evaluate.bootstrap=100", "train.threads=1"]
    source = ROOT / "recipes" / "starter-lstm" / "recipe.yaml"
    recipe = reading.read_recipe(source, [f"data.source={sequences}", *small])
    run = lifecycle.run_recipe(recipe, home=tmp_path / "runs", base=tmp_path)
    scores = json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
    assert scores["main"] == "r2" and len(recipe.target.columns if recipe.target else ()) == 10


def test_a_measurement_holds_lines_seconds_and_score_of_both(
    programs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "mine.py").write_text('"""Says."""\n\n# nothing\nprint("accuracy 0.5")\n', encoding="utf-8")
    folder = tmp_path / "recipes" / "starter-mine"
    folder.mkdir(parents=True)
    text = "data: {source: 'builtin:iris'}\ntarget: target\nmodel: linear\ntrain: {epochs: 1}\n"
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(programs, "HERE", tmp_path)
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    one = programs.Program(title="Mine", plain="mine", recipe="starter-mine", score="accuracy")
    row: dict[str, Any] = programs.measure(one, 1)
    assert set(row) >= KEYS and row["met"] is None
    assert row["lines"] == {"plain": 1, "recipe": 4} and row["scores"]["plain"] == 0.5
    assert 0 <= row["scores"]["recipe"] <= 1 and row["ours"] > row["peer"] > 0
    assert programs.told(row).startswith("Mine")
