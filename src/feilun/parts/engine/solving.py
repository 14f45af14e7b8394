"""The last layer alone, solved: for few labels on an encoder that stays as it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.engine.batches import gatherer
from feilun.parts.engine.plan import Batch, Fitted, Index, Learning, Objective
from feilun.parts.engine.randomness import Stream, mix

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the penalty, tried
FOLDS = 5
ROWS = 256  # encoded at a time
STEPS = 200  # of L-BFGS, at most; some ten are needed


def fit_head(network: nn.Module, arrays: Mapping[str, Any], index: Index, learning: Learning, seed: int) -> Fitted:
    """Solve `network.head`, a linear layer, on what lies below it; everything else stays as it is.

    Minimises mean loss + strength/2 · |W|², convex for cross-entropy and squared error, by L-BFGS (Liu & Nocedal
    1989) on standardised numbers, which are folded back into the layer. The strength is the one of least loss in
    five-fold cross-validation of the training rows; validation rows are not looked at.
    Raises RecipeError for a network whose head is no linear layer.
    """
    started = time.monotonic()
    head = getattr(network, "head", None)
    if not isinstance(head, nn.Linear):
        raise _no_head(head)
    rows = torch.from_numpy(np.asarray(index.train, np.int64))
    below = _below(network, head, arrays, rows)
    mean, spread = below.mean(0), below.std(0, correction=0).clamp(min=1e-6)
    problem = _Problem(network, (below - mean) / spread, _rest(network, arrays, rows), index, learning.objective)
    strength = problem.chosen(np.random.default_rng(mix(seed, Stream.ORDER)).permutation(len(rows)))
    weight, bias, loss = problem.solved(torch.arange(len(rows)), strength)
    with torch.no_grad():
        head.weight.copy_(weight / spread)
        head.bias.copy_(bias - (weight / spread) @ mean)
    network.eval()
    rate = round(len(rows) / max(time.monotonic() - started, 1e-9), 1)
    point = {"epoch": 1, "loss": loss, "validation_loss": None, "rows_per_s": rate, "learning_rate": 1.0}
    return Fitted(
        epochs=1,
        best_epoch=1,
        steps=1,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        rows_per_s=rate,
        threads=torch.get_num_threads(),
        curves=(point,),
    )


class _Problem:
    """What lies below the head, float64 (N, width), and the loss of a head on it."""

    def __init__(self, network: Any, below: Tensor, rest: Batch, index: Index, objective: Objective) -> None:
        self.below, self.rest, self.objective = below, rest, objective
        self.output, self.outputs = str(network.output), int(network.head.out_features)
        weights = np.ones(len(below)) if index.weights is None else index.weights[index.train]
        self.weights = torch.from_numpy(weights.astype(np.float64))

    def loss(self, weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        """The mean over these rows."""
        batch = {name: values[rows] for name, values in self.rest.items()}
        said = {self.output: self.below[rows] @ weight.T + bias}
        losses = self.objective({"main": lambda **given: said}, batch, "main")
        return (losses * self.weights[rows]).mean()

    def solved(self, rows: Tensor, strength: float) -> tuple[Tensor, Tensor, float]:
        """(weight, bias, mean loss) of the best head for these rows."""
        weight = torch.zeros(self.outputs, self.below.shape[1], dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(self.outputs, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            whole = self.loss(weight, bias, rows) + strength / 2 * weight.square().sum()
            torch.autograd.backward(whole)
            return whole

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            return weight.detach(), bias.detach(), float(self.loss(weight, bias, rows))

    def chosen(self, order: np.ndarray) -> float:
        """The strength of least cross-validated loss; the largest where there are too few rows to tell."""
        folds = np.array_split(order, min(FOLDS, len(order)))
        if len(folds) < 2:
            return STRENGTHS[-1]
        losses = []
        for strength in STRENGTHS:
            total = 0.0
            for place, fold in enumerate(folds):
                others = np.concatenate([other for number, other in enumerate(folds) if number != place])
                weight, bias, _ = self.solved(torch.from_numpy(others), strength)
                total += float(self.loss(weight, bias, torch.from_numpy(fold))) * len(fold)
            losses.append(total)
        return STRENGTHS[int(np.argmin(losses))]


@torch.no_grad()
def _below(network: nn.Module, head: nn.Linear, arrays: Mapping[str, Any], rows: Tensor) -> Tensor:
    """float64 (N, width): what the head is given for each of these rows."""
    gather, inputs = gatherer(arrays), _inputs(network)
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda module, given: seen.append(given[0].double()))
    network.eval()
    try:
        for part in torch.split(rows, ROWS):
            network(**{name: x for name, x in gather(part).items() if name.removesuffix("_length") in inputs})
    finally:
        hook.remove()
    return torch.cat(seen)


def _rest(network: nn.Module, arrays: Mapping[str, Any], rows: Tensor) -> Batch:
    """What the objective compares with: everything that is no input, whole."""
    inputs = _inputs(network)
    batch = gatherer({name: array for name, array in arrays.items() if name not in inputs})(rows)
    return {name: values.double() if values.is_floating_point() else values for name, values in batch.items()}


def _inputs(network: Any) -> tuple[str, ...]:
    return tuple(network.inputs)


def _no_head(head: Any) -> RecipeError:
    got = "none" if head is None else type(head).__name__
    return RecipeError(
        f"train.few_shot solves a linear last layer called head; this network's is {got}. Take a model with one, such "
        "as cnn, transformer or pretrained, or leave train.few_shot out.",
        where="train.few_shot",
        expected="a linear head",
        got=got,
        fix="train.freeze: [encoders] instead of train.few_shot",
    )
