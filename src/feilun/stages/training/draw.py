"""What training draws: the share of feedback in a lap, and the augmentation that the features bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
) -> Callable[[dict[str, Tensor], torch.Generator], dict[str, Tensor]] | None:
    """One function over whole batches from the features that have `augment(batch_tensor, generator)`, or None."""
    found: dict[str, Any] = {name: getattr(feature, "augment", None) for name, feature in features.items()}
    changes = {name: change for name, change in found.items() if callable(change)}
    if not changes:
        return None

    def augment(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return batch | {name: change(batch[name], generator) for name, change in changes.items() if name in batch}

    return augment
