"""Rare classes, balanced by weights or by drawing: the numbers, the recall that rises, and where it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Recipe, Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.stages.training.balance import balanced
from feilun.stages.training.draw import with_share


def recipe(balance: str, task: str = "classification") -> Recipe:
    return Recipe(task=task, inputs={"x": {"kind": "number"}}, target="y", train={"balance": balance})


FEATURES: dict[str, Any] = {"target": discover.feature("labels", columns=("y",))}


def test_weights_and_chances_make_every_class_count_the_same() -> None:
    classes = np.array([0] * 80 + [1] * 15 + [2] * 5 + [1, 1, 2, 3])
    index = Index(train=np.arange(100), validation=np.arange(100, 104))
    by_weight = balanced(index, {"target": classes}, FEATURES, recipe("weights"))
    assert by_weight.weights is not None and by_weight.chances is None
    sums = [by_weight.weights[:100][classes[:100] == label].sum() for label in range(3)]
    assert sums == pytest.approx([100 / 3] * 3, rel=1e-5)
    assert by_weight.weights[100:] == pytest.approx([100 / 45, 100 / 45, 100 / 15, 1.0])
    drawn = balanced(index, {"target": classes}, FEATURES, recipe("sampling"))
    assert drawn.chances is not None and drawn.weights is not None
    assert drawn.chances == pytest.approx(by_weight.weights[:100])
    assert (drawn.weights[:100] == 1).all() and drawn.weights[100:] == pytest.approx(by_weight.weights[100:])
    assert balanced(index, {"target": classes}, FEATURES, recipe("none")) is index


def test_rows_from_feedback_count_as_often_as_they_are_drawn() -> None:
    classes = np.array([0] * 20 + [1] * 4)
    train = with_share(np.arange(24), np.arange(24) >= 20, 0.5)
    index = balanced(Index(train=train), {"target": classes}, FEATURES, recipe("weights"))
    assert index.weights is not None
    sums = [index.weights[train][classes[train] == label].sum() for label in (0, 1)]
    assert sums == pytest.approx([len(train) / 2] * 2)


@pytest.mark.parametrize(
    ("arrays", "features", "task", "words"),
    [
        ({"target": np.ones((4, 2), np.float32)}, FEATURES, "classification", "several labels"),
        (
            {"target": np.ones((4, 1), np.float32)},
            {"target": discover.feature("number", columns=("y",), target=True)},
            "regression",
            "task regression has no classes",
        ),
        ({"x": np.ones(4)}, {}, "image_generation", "task image_generation has no classes"),
    ],
)
def test_only_one_label_a_row_can_be_balanced(arrays: Any, features: Any, task: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        balanced(Index(train=np.arange(4)), arrays, features, recipe("weights", task))


def recall_of_rare(balance: str) -> float:
    """Recall of a class of 3 %, overlapping with the others, after a short training with early stopping."""
    drawn = np.random.default_rng(0)
    classes = drawn.choice(3, 3000, p=[0.6, 0.37, 0.03])
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.8, 1.2]])
    points = (centres[classes] + drawn.normal(size=(3000, 2))).astype(np.float32)
    index = Index(train=np.arange(1600), validation=np.arange(1600, 2000))
    arrays = {"x": points, "target": classes}

    def objective(networks: Any, batch: Any, player: str) -> Tensor:
        return functional.cross_entropy(networks[player](batch["x"]), batch["target"], reduction="none")

    with initialised(0):
        networks: dict[str, nn.Module] = {"main": nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))}
    index = balanced(index, arrays, FEATURES, recipe(balance))
    plan = Train(epochs=20, batch_size=32, learning_rate=0.01, patience=3)
    fit(networks, arrays, index, Learning(objective=objective), plan, Run(seed=0))
    with torch.no_grad():
        said = networks["main"](torch.from_numpy(points[2000:])).argmax(1).numpy()
    return float((said == 2)[classes[2000:] == 2].mean())


def test_both_ways_raise_the_recall_of_a_rare_class() -> None:
    # 26 rare test rows: the standard error of a recall is 0.1 at most
    plain, weights, sampling = (recall_of_rare(balance) for balance in ("none", "weights", "sampling"))
    assert plain < 0.3
    assert weights > plain + 0.3
    assert sampling > plain + 0.3
