"""Planted wrong labels are found by models that never saw the row, and a bounded loss learns in spite of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.datasets import load_digits
from torch import nn

from feilun.cli.main import main
from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe, Train
from feilun.parts import dataset
from feilun.parts.engine import losses
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.stages.evaluation import mislabelled

ROWS = 600
RECIPE = """
data: {source: t.csv}
target: y
model: linear
train: {epochs: 20, batch_size: 16, learning_rate: 0.05, threads: 1}
evaluate: {bootstrap: 100}
optimize: {quantize: none}
"""


def planted(labels: np.ndarray, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(labels, of which a share is another one now; which they are)."""
    drawn = np.random.default_rng(seed)
    flipped = drawn.random(len(labels)) < share
    return np.where(flipped, (labels + drawn.integers(1, 10, len(labels))) % 10, labels), flipped


def trained(name: str, labels: np.ndarray, rows: np.ndarray, epochs: int) -> np.ndarray:
    """Logits of all digits by a network that learnt these rows with this loss, (1797, 10)."""
    pixels = (load_digits().data / 16).astype(np.float32)
    with initialised(0):
        network = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    loss = losses.named(name, Train())

    def objective(networks: Any, batch: Any, player: str) -> torch.Tensor:
        return loss(networks[player](batch["x"]), batch["target"])

    plan = Train(epochs=epochs, batch_size=32, learning_rate=0.01, weight_decay=0.0, threads=1, patience=None)
    arrays = {"x": pixels, "target": labels}
    fit({"main": network}, arrays, Index(train=rows), Learning(objective=objective), plan, Run(seed=0))
    with torch.no_grad():
        return network(torch.from_numpy(pixels)).numpy()


def test_labels_flipped_among_digits_are_found() -> None:
    """One in ten of 1,797 digits gets another label: nearly all of them are found, and few others are doubted."""
    true = load_digits().target
    labels, flipped = planted(true, 0.1)
    fold = np.random.default_rng(1).integers(0, 3, len(true))
    logits = np.zeros((len(true), 10))
    for number in range(3):
        made = trained("cross_entropy", labels, np.flatnonzero(fold != number), epochs=3)
        logits[fold == number] = made[fold == number]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    suggested, share = mislabelled.find(chances, labels)
    doubted = suggested != labels
    assert (doubted & flipped).sum() / flipped.sum() >= 0.9, "recall"
    assert (doubted & flipped).sum() / doubted.sum() >= 0.8, "precision"
    assert (suggested[doubted & flipped] == true[doubted & flipped]).mean() >= 0.9, "what it was is suggested"
    assert share == pytest.approx(flipped.mean(), abs=0.03)


def test_the_verb_lists_them_for_people_to_correct(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    drawn = np.random.default_rng(0)
    true = drawn.integers(0, 2, 240)
    points = drawn.normal(size=240) + 4 * true
    labels = np.where(np.arange(240) % 20 == 3, 1 - true, true)
    lines = [f"{x:.4f},{'ny'[label]}" for x, label in zip(points, labels, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "t.yaml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "t.yaml", "--label-noise", "--folds", "2", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)["result"]["label_noise"]
    places = {f"{x:.4f}": place for place, x in enumerate(points)}
    told = [places[f"{row['columns']['x']:.4f}"] for row in found["rows"]]
    planted_ = set(range(3, 240, 20))
    assert len(planted_ & set(told)) >= 0.9 * len(planted_) and len(planted_ & set(told)) >= 0.6 * len(told)
    assert set(told[:6]) <= planted_, "the surest come first"
    assert found["n"] == 240 and found["suspects"] == len(told)
    assert sum(pair["rows"] for pair in found["classes"]) == len(told)
    [path] = (tmp_path / "runs").glob("t/1/label-noise.csv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == [row["id"] for row in found["rows"]] and table[0]["right"] == ""
    assert list(table[0]) == ["id", "given", "suggested", "chance", "chance_of_given", "x", "right"]
    assert f"{len(told)} of 240 labels look wrong" in said.err and "label-noise.csv" in said.err


def test_bars_joint_and_share_by_hand() -> None:
    """Class 0's bar is the mean 0.6 of its chances in rows given 0, class 1's is 0.55."""
    chances = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.3, 0.7], [0.35, 0.65], [0.7, 0.3]])
    given = np.array([0, 0, 0, 1, 1, 1])
    suggested, share = mislabelled.find(chances, given)
    assert suggested.tolist() == [0, 0, 1, 1, 1, 0]
    assert share == pytest.approx(2 / 6)  # one of three in each class
    chances[4] = [
        0.52,
        0.48,
    ]  # under both bars, 0.6 and 0.49: of class 1 one confident row of two is 0, so 1.5 of three
    suggested, share = mislabelled.find(chances, given)
    assert suggested.tolist() == [0, 0, 1, 1, 0, 0], "round(1.5) rows, with the least chance of 1"
    assert share == pytest.approx((1 + 1.5) / 6)


def test_a_hard_class_has_a_lower_bar() -> None:
    chances = np.array([[0.95, 0.05], [0.97, 0.03], [0.55, 0.45], [0.6, 0.4], [0.62, 0.38]])
    given = np.array([0, 0, 1, 1, 1])
    assert mislabelled.find(chances, given)[0].tolist() == [0, 0, 1, 1, 1], "unsure, as all rows of its class are"


@pytest.mark.parametrize(
    ("task", "values", "words"),
    [("regression", [1.5, 2.5], "it has no classes"), ("classification", [["a"], ["a", "b"]], "several labels")],
)
def test_other_answers_have_no_wrong_label(tmp_path: Path, task: str, values: list[Any], words: str) -> None:
    recipe = Recipe.model_validate({"task": task, "inputs": {"x": {"kind": "number"}}, "target": "y"})
    rows = Dataset.from_dict({"x": [0.0, 1.0], "y": values, "_id": ["a", "b"]})
    features = {
        "target": discover.feature("labels", columns=("y",), several=True)
        if task == "classification"
        else discover.feature("number", columns=("y",), target=True)
    }
    dataset.write(tmp_path, rows, np.zeros(2, np.int8), np.zeros(2, np.int16), features, [])
    with pytest.raises(RecipeError, match=words):
        mislabelled.check(recipe, tmp_path)


def test_a_task_without_labels_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f"{row * 37 % 101},{row % 7 + 0.5 * row}" for row in range(100)]
    Path("t.csv").write_text("a,y\n" + "\n".join(lines), encoding="utf-8")
    Path("t.yaml").write_text("name: t\ndata: {source: t.csv}\ntask: regression\ntarget: y\n", encoding="utf-8")
    assert main(["evaluate", "t.yaml", "--label-noise"]) == 2
    assert "it has no classes" in capsys.readouterr().err and not Path("runs").exists()


def test_a_bounded_loss_learns_in_spite_of_four_wrong_labels_in_ten() -> None:
    true = load_digits().target
    labels, _ = planted(true, 0.4)
    robust, usual = (
        (trained(name, labels, np.arange(ROWS), epochs=30)[1200:].argmax(1) == true[1200:]).mean()
        for name in ("generalised_cross_entropy", "cross_entropy")
    )
    assert robust > usual + 0.1  # 597 rows: the standard error of each is 0.02 at most
