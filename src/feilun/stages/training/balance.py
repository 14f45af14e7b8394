"""Rare classes: their rows count more, or are drawn more often, so that each class weighs the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.errors import RecipeError
from feilun.parts.engine.plan import Index

if TYPE_CHECKING:
    from feilun.core.protocols import Feature
    from feilun.core.recipe import Recipe


def balanced(index: Index, arrays: Mapping[str, Any], features: Mapping[str, Feature], recipe: Recipe) -> Index:
    """The index with weights or chances, as train.balance says. Raises RecipeError where there is no class per row.

    With n training examples, k classes of which c have n_c: a weight or chance of n / (k n_c), so that their mean over
    training examples is 1 (as scikit-learn's `balanced`; King and Zeng 2001). Validation examples have the same
    weights in both ways: the loss that decides when to stop is the one that is learnt, and not that of the frequent
    class. An example listed several times, as feedback in a lap, counts as often.
    """
    if recipe.train.balance == "none":
        return index
    classes = _classes(arrays, features, recipe)
    counts = np.bincount(classes[index.train], minlength=int(classes.max(initial=0)) + 1)
    there = counts > 0
    share = np.ones(len(counts))  # a class that only validation rows have is not learnt, and counts as it is
    share[there] = len(index.train) / (there.sum() * counts[there])
    weights = share[classes].astype(np.float32)
    if recipe.train.balance == "weights":
        return replace(index, weights=weights)
    drawn = np.ones(len(classes), np.float32)
    drawn[index.validation] = weights[index.validation]
    return replace(index, weights=drawn, chances=share[classes[index.train]])


def _classes(arrays: Mapping[str, Any], features: Mapping[str, Feature], recipe: Recipe) -> np.ndarray:
    """int64 (examples,): the class of every example."""
    found = arrays.get("target")
    kind = features["target"].kind if "target" in features else ""
    if kind == "labels" and isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind == "i":
        return np.asarray(found, np.int64)
    several = "a row may have several labels" if kind == "labels" else f"task {recipe.task} has no classes"
    raise RecipeError(
        f"train.balance is {recipe.train.balance}, and {several}: only a classification with one label per row can be "
        "balanced. Leave out train.balance.",
        where="train.balance",
        expected="none",
        got=recipe.train.balance,
        fix="train.balance: none",
    )
