"""Our linear models, trained by our engine through the tasks, end where scikit-learn's do."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression

from feilun.core import discover
from feilun.core.recipe import Recipe
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised

CLOSE = 1e-3  # what the issue asks for; both solve the same convex problem


def _trained(recipe: Recipe, rows: dict[str, list[Any]]) -> tuple[Any, dict[str, Any]]:
    """(the network's last layer, fitted features) after training with whole batches on all rows."""
    task = discover.task(str(recipe.task))
    features = {name: feature.fit(rows) for name, feature in task.features(recipe).items()}
    with initialised(recipe.seed):
        networks = task.build(recipe, features)
    arrays = {name: feature.encode(rows) for name, feature in features.items()}
    index = Index(train=np.arange(len(next(iter(rows.values())))))
    fit(networks, arrays, index, Learning(objective=task.objective), recipe.train)
    return networks["main"].head, features


def _recipe(task: str, names: list[str], **train: Any) -> Recipe:
    plan = {"batch_size": 1000, "optimizer": "adam", "clip": None, "patience": None, **train}
    inputs = {name: {"kind": "number", "transform": "standard"} for name in names}
    return Recipe.model_validate({"task": task, "inputs": inputs, "target": "y", "model": "linear", "train": plan})


def test_linear_regression() -> None:
    data = datasets.load_diabetes(scaled=False)
    names = list(data.feature_names)
    rows: dict[str, list[Any]] = {name: data.data[:, place].tolist() for place, name in enumerate(names)}
    rows["y"] = data.target.tolist()
    head, features = _trained(
        _recipe("regression", names, epochs=1500, learning_rate=0.1, optimizer="momentum", momentum=0.95), rows
    )
    scales = np.array([scale["scale"] for scale in features["numbers"].scales])
    ours = head.weight[0].detach().numpy() * features["target"].scales[0]["scale"]
    theirs = LinearRegression().fit(data.data, data.target).coef_
    unit = features["target"].scales[0]["scale"]
    assert np.abs(ours - theirs * scales).max() / unit < CLOSE


def test_softmax_regression_with_l2() -> None:
    data = datasets.load_wine()
    names = [str(name) for name in data.feature_names]
    rows: dict[str, list[Any]] = {name: data.data[:, place].tolist() for place, name in enumerate(names)}
    rows["y"] = [f"grape {label}" for label in data.target]
    strength = 0.02
    recipe = _recipe("classification", names, epochs=1500, learning_rate=0.05, l2=strength)
    head, features = _trained(recipe, rows)
    inputs = features["numbers"].encode(rows)
    # scikit-learn adds |w|²/2C to the sum of the losses, we l2/2 |w|² to their mean; neither touches the intercept.
    theirs = LogisticRegression(C=1 / (strength * len(inputs)), tol=1e-10, max_iter=10_000).fit(inputs, data.target)
    assert np.abs(head.weight.detach().numpy() - theirs.coef_).max() < CLOSE
    bias = head.bias.detach().numpy()
    assert np.abs((bias - bias.mean()) - (theirs.intercept_ - theirs.intercept_.mean())).max() < CLOSE


def test_logistic_regression_of_two_classes() -> None:
    """Two logits, of which only the difference matters: it is the one logit of the textbook."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(300, 3))
    yes = draw.random(300) < 1 / (1 + np.exp(-(inputs @ [1.0, -2.0, 0.5] + 0.3)))
    rows: dict[str, list[Any]] = {name: inputs[:, place].tolist() for place, name in enumerate("abc")}
    rows["y"] = ["yes" if one else "no" for one in yes]
    head, features = _trained(_recipe("classification", list("abc"), epochs=600, learning_rate=0.1), rows)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(features["numbers"].encode(rows), yes)
    weight = head.weight.detach().numpy()
    assert np.abs(weight[1] - weight[0] - theirs.coef_[0]).max() < CLOSE
