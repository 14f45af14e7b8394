"""What training draws: the share of feedback in a lap, and the augmentation that the features bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from feilun.core.protocols import Feature


def with_share(examples: np.ndarray, from_feedback: np.ndarray, share: float) -> np.ndarray:
    """Examples with those from feedback repeated until they are at least this share of all.

    examples: int64 (N,).  from_feedback: bool (N,).  f of n + f examples, each k times, are a share k f / (n + k f);
    so k is the smallest whole number with k >= share n / ((1 - share) f).
    """
    old, new = examples[~from_feedback], examples[from_feedback]
    if not len(new):
        return examples
    times = max(1, int(np.ceil(share * len(old) / ((1 - share) * len(new)) - 1e-9)))
    return np.concatenate([old, np.tile(new, times)])


def augmentation(
    features: Mapping[str, Feature],
    inputs: Sequence[str] | None = None,
) -> Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]] | None:
    """One function over whole batches from the inputs that have `augment(batch_tensor, generator)`, or None.

    What stands in pictures moves with them: features with `moved` whose first column is the picture's.
    """
    found: dict[str, Any] = {
        name: getattr(features[name], "augment", None) for name in (features if inputs is None else inputs)
    }
    changes = {name: change for name, change in found.items() if callable(change)}
    if not changes:
        return None
    moving: dict[str, list[str]] = {
        name: [
            other
            for other, feature in features.items()
            if hasattr(feature, "moved") and feature.columns[0] == features[name].columns[0]
        ]
        for name in changes
    }

    def augment(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        made = dict(batch)
        for name, change in changes.items():
            if name not in batch:
                continue
            if not hasattr(change, "drawn"):  # nothing leaves its place
                made[name] = change(batch[name], generator)
                continue
            moves = change.drawn(len(batch[name]), generator)
            made[name] = change(batch[name], generator, moves)
            for other in moving[name]:
                if other in batch:
                    feature: Any = features[other]
                    made |= _followed(feature, other, batch, moves, batch[name].shape[-2:])
        return made

    return augment


def _followed(
    feature: Any, name: str, batch: Mapping[str, Tensor], moves: Tensor, size: Sequence[int]
) -> dict[str, Tensor]:
    """What moved with its picture, under the names of the batch."""
    length = batch.get(f"{name}_length")
    if length is None:
        return {name: feature.moved(batch[name], moves)}
    values, count = feature.moved(batch[name], length, moves, *size)
    return {name: values, f"{name}_length": count}
