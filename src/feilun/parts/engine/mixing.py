"""Mixup and cutmix: rows of a batch mixed in pairs, and the loss mixed alike; the network runs once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.core.errors import FeilunError
from feilun.core.recipe import Train
from feilun.parts.engine.plan import Batch, Learning, Objective

PARTNER = "of the partner: "  # before the names of what the other row of each pair brings into the batch
SHARE, COUNTS = f"{PARTNER}its own share", f"{PARTNER}counts"


def mixed(batch: Batch, counts: Tensor | None, learning: Learning, plan: Train, seed: int) -> Batch:
    """The batch with its inputs mixed, and with the targets, counts and share of each row's partner.

    A share λ from Beta(α, α) of every row stays, 1 - λ comes from another row of the batch; α is `plan.mixup`, and all
    float inputs are λ own + (1 - λ) other (Zhang et al. 2018), or it is `plan.cutmix`, and a box of about 1 - λ of
    every picture (B, channels, height, width) is the other's (Yun et al. 2019). Where both are asked for, a toss of
    a coin decides for the whole batch.  counts: (B,), how many times each row's loss counts.
    """
    drawn = np.random.default_rng(seed)
    partner = torch.from_numpy(drawn.permutation(len(next(iter(batch.values())))))
    inputs = {name: batch[name] for name in learning.inputs if batch[name].is_floating_point()}
    if plan.cutmix and (not plan.mixup or drawn.random() < 0.5):
        box = _box(float(drawn.beta(plan.cutmix, plan.cutmix)), drawn)
        masks = {name: _mask(picture, box) for name, picture in inputs.items()}
        share = float(np.mean([1 - mask.float().mean().item() for mask in masks.values()]))
        made = {name: value[partner].where(masks[name], value) for name, value in inputs.items()}
    else:
        share = float(drawn.beta(plan.mixup, plan.mixup))
        made = {name: value.lerp(value[partner], 1 - share) for name, value in inputs.items()}
    targets = [name for target in learning.targets for name in (target, f"{target}_length") if name in batch]
    made |= {f"{PARTNER}{name}": batch[name][partner] for name in targets}
    made[SHARE] = torch.full((len(partner),), share)
    return batch | made if counts is None else batch | made | {COUNTS: counts[partner]}


def losses(
    objective: Objective,
    networks: Mapping[str, Callable[..., Any]],
    batch: Mapping[str, Tensor],
    player: str,
    counts: Tensor | None,
) -> Tensor:
    """The objective's loss of every row times how often it counts, (B,); of a mixed batch λ own + (1 - λ) partner's."""
    if SHARE not in batch:
        return _counted(objective(networks, batch, player), counts)
    own = {name: value for name, value in batch.items() if not name.startswith(PARTNER)}
    about = (*own, SHARE, COUNTS)
    other = {name.removeprefix(PARTNER): value for name, value in batch.items() if name not in about}
    once = {name: _Once(network) for name, network in networks.items()}
    first = _counted(objective(once, own, player), counts)
    for network in once.values():
        network.again()
    second = _counted(objective(once, own | other, player), batch.get(COUNTS))
    return batch[SHARE] * first + (1 - batch[SHARE]) * second


class _Once:
    """A network whose answers are kept: asked again for the same tensors in the same order, it does not run.

    What depends on the targets, such as the prefix of a text, is other tensors, and runs again.
    """

    def __init__(self, network: Callable[..., Any]) -> None:
        self.network, self.place = network, 0
        self.kept: list[tuple[dict[Any, Any], Any]] = []

    def __call__(self, *args: Any, **named: Any) -> Any:
        asked: dict[Any, Any] = {**named, **dict(enumerate(args))}
        before, answer = self.kept[self.place] if self.place < len(self.kept) else ({}, None)
        self.place += 1
        if before and before.keys() == asked.keys() and all(before[name] is asked[name] for name in asked):
            return answer
        answer = self.network(*args, **named)
        self.kept.append((asked, answer))
        return answer

    def again(self) -> None:
        """From the first answer on."""
        self.place = 0


def _counted(each: Tensor, counts: Tensor | None) -> Tensor:
    if each.ndim != 1:
        raise FeilunError(f"The objective must return one loss per row, (B,); it returned {tuple(each.shape)}.")
    return each if counts is None else each * counts.to(each.device)


def _box(share: float, drawn: np.random.Generator) -> np.ndarray:
    """[[top, bottom], [left, right]] in shares of a picture: 1 - share of its area around any point, within it."""
    reach = math.sqrt(1 - share) / 2 * np.array([[-1.0, 1.0]])
    return np.clip(drawn.random((2, 1)) + reach, 0, 1)


def _mask(picture: Tensor, box: np.ndarray) -> Tensor:
    """bool (height, width), inside the box. picture: (B, channels, height, width)."""
    (top, bottom), (left, right) = np.round(box * [[picture.shape[2]], [picture.shape[3]]]).astype(int).tolist()
    mask = torch.zeros(picture.shape[2:], dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask
