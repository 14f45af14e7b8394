"""The last layer, solved, is the one that scikit-learn finds; what lies below it stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from feilun.core.errors import RecipeError
from feilun.parts.engine import solving
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.output = ("x",), "logits"
        self.body = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Dropout(0.5))
        self.head: nn.Module = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(self.body(x))}


def _objective(networks, batch, player):  # type: ignore[no-untyped-def]
    said = networks[player](**{name: x for name, x in batch.items() if name != "target"})["logits"]
    return nn.functional.cross_entropy(said, batch["target"], reduction="none")


def _data() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(90, 5)).astype(np.float32)
    return {"x": x, "target": (x[:, :3] + 0.8 * draw.normal(size=(90, 3))).argmax(1).astype(np.int64)}


def test_the_solution_is_the_one_that_scikit_learn_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one strength s: scikit-learn minimises C Σ loss + |W|²/2, which is ours for C = 1 / (n s). To 1e-3: where
    scikit-learn stops."""
    monkeypatch.setattr(solving, "STRENGTHS", (0.05,))
    with initialised(0):
        network = Net()
    arrays = _data()
    below = {name: tensor.clone() for name, tensor in network.body.state_dict().items()}
    train = np.arange(60)
    fitted = solving.fit_head(network, arrays, Index(train=train), Learning(objective=_objective), seed=0)
    assert all(torch.equal(below[name], tensor) for name, tensor in network.body.state_dict().items())
    with torch.no_grad():
        made = network.body.eval()(torch.from_numpy(arrays["x"][train])).double().numpy()
        ours = network(torch.from_numpy(arrays["x"][train]))["logits"].softmax(1).numpy()
    standard = (made - made.mean(0)) / made.std(0)
    theirs = LogisticRegression(C=1 / (60 * 0.05), max_iter=1000, tol=1e-10).fit(standard, arrays["target"][train])
    assert np.allclose(ours, theirs.predict_proba(standard), atol=1e-3)
    assert fitted.curves[0]["loss"] == pytest.approx(-np.log(ours[train, arrays["target"][train]]).mean(), rel=1e-4)


def test_the_strength_is_chosen_by_cross_validation() -> None:
    """Labels of pure chance want the strongest penalty, clean ones a weak one."""

    def size(labels: np.ndarray) -> float:
        with initialised(0):
            network = Net()
        arrays = {"x": _data()["x"], "target": labels}
        solving.fit_head(network, arrays, Index(train=np.arange(90)), Learning(objective=_objective), seed=0)
        return float(network.head.weight.detach().norm())

    clean = _data()["x"][:, :3].argmax(1).astype(np.int64)
    assert size(np.random.default_rng(5).permutation(clean)) < 0.1 * size(clean)


def test_a_head_that_is_no_linear_layer_is_told() -> None:
    network = Net()
    network.head = nn.Sequential(nn.Linear(6, 3))
    with pytest.raises(RecipeError, match="Sequential"):
        solving.fit_head(network, _data(), Index(train=np.arange(9)), Learning(objective=_objective), seed=0)
