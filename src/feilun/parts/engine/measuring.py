"""What a training takes, by a few steps of the loop itself on copies of the networks: seconds a row, bytes a batch."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.recipe import Train
from feilun.parts.engine.batches import gatherer
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.ops.ragged import take

WARM, STEPS, MOST_STEPS = 2, 5, 100  # steps before the clock runs; at least and at most so many more
JUDGED = 4096  # validation rows at most
ONCE = {
    "profile": False,
    "epochs": 1,
    "patience": None,
    "find": (),
    "time_limit_s": None,
    "average": "none",
    "compile": "never",
    "shard": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """row_s: seconds of a training row.  judged_s: of a validation row."""

    row_s: float
    judged_s: float


def pace(
    networks: Mapping[str, nn.Module],
    arrays: Mapping[str, Any],
    index: Index,
    learning: Learning,
    plan: Train,
    budget_s: float = 1.0,
) -> Pace:
    """How fast this plan trains and validates. budget_s: about so long is measured, of each; a step is the least.

    The networks stay as they are. Few rows are drawn as often as the steps need.
    """
    plan = plan.model_copy(update=ONCE)

    def timed(steps: int, judged: int) -> tuple[float, float]:
        rows, part = _part(index, steps * plan.batch_size, judged)
        inside = {name: take(array, rows) for name, array in arrays.items()}
        copies = copy.deepcopy(dict(networks))
        started = time.perf_counter()
        training_s = len(part.train) / fit(copies, inside, part, learning, plan).rows_per_s
        return training_s, max(0.0, time.perf_counter() - started - training_s)

    warm_s = timed(WARM, 0)[0] / WARM
    steps = min(MOST_STEPS, max(STEPS if warm_s < budget_s else 1, int(budget_s / warm_s)))
    judged = min(JUDGED, max(plan.batch_size, int(budget_s / warm_s * plan.batch_size)))
    training_s, judged_s = timed(steps, judged)
    return Pace(row_s=training_s / (steps * plan.batch_size), judged_s=judged_s / judged)


def activations_bytes(
    networks: Mapping[str, nn.Module], arrays: Mapping[str, Any], learning: Learning, rows: np.ndarray
) -> int:
    """What these rows leave behind for the way back: every tensor that autograd keeps, each storage once; the batch."""
    kept: dict[int, int] = {}
    own = {one.untyped_storage().data_ptr() for network in networks.values() for one in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = gatherer({name: take(array, rows) for name, array in arrays.items()})(torch.arange(len(rows)))
    batch.update({name: torch.zeros(len(rows), *shape) for name, shape in learning.noise.items()})
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        learning.objective(networks, batch, learning.turns[0])
    return sum(kept.values()) + sum(tensor.untyped_storage().nbytes() for tensor in batch.values())


def _part(index: Index, trained: int, judged: int) -> tuple[np.ndarray, Index]:
    """So many training and validation rows, and the index into them alone."""
    others = index.validation if len(index.validation) else index.train
    rows = np.concatenate([np.resize(index.train, trained), np.resize(others, judged)])
    weights = None if index.weights is None else index.weights[rows]
    whole = np.arange(len(rows))
    return rows, replace(index, train=whole[:trained], validation=whole[trained:], weights=weights, chances=None)
