"""Losses, one value a row: what `train.loss` names, and those of networks that compare or align.

The named ones take what the network said, (B, outputs), and the truth: a class per row, int64 (B,); or numbers or
marks, float (B, outputs), where marks are 1 and 0, each label on its own. They are tested against numbers by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from feilun.core.train import Train

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
SMALLEST = 1e-12  # of what is raised to a power below 1: at 0 its slope is infinite


def squared(said: Tensor, target: Tensor) -> Tensor:
    """Mean over outputs of the squared difference."""
    return (said - target).square().flatten(1).mean(1)


def absolute(said: Tensor, target: Tensor) -> Tensor:
    """Mean over outputs of the absolute difference: the median is learnt, not the mean."""
    return (said - target).abs().flatten(1).mean(1)


def huber(said: Tensor, target: Tensor, width: float = 1.0) -> Tensor:
    """Half the square up to `width` (one deviation of the target), a line beyond. Huber 1964."""
    return functional.huber_loss(said, target, reduction="none", delta=width).flatten(1).mean(1)


def cross_entropy(said: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """-Σ y log p with softmax of a class; of marks the binary form, mean over labels.

    smoothing: so much of every label is spread evenly over all classes. Szegedy et al. 2016, section 7.
    """
    if target.is_floating_point():
        return binary(said, target, smoothing)
    return functional.cross_entropy(said, target, reduction="none", label_smoothing=smoothing)


def binary(said: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """-(y log p + (1 - y) log(1 - p)) with a sigmoid for each label, mean over labels.

    A class is one mark among zeros.  smoothing: marks move by half of it towards one half.
    """
    marks = _marks(said, target)
    marks = marks * (1 - smoothing) + smoothing / 2 if smoothing else marks
    return functional.binary_cross_entropy_with_logits(said, marks, reduction="none").mean(1)


def focal(said: Tensor, target: Tensor, focusing: float = 2.0) -> Tensor:
    """-(1 - p)^focusing log p, where p is the chance of what is true: easy rows count little. Lin et al. 2017.

    Its class weights α are `train.balance: weights`.
    """
    logs = _log_chances(said, target)
    return (-(-logs.expm1()).clamp(min=SMALLEST).pow(focusing) * logs).mean(1)


def generalised_cross_entropy(said: Tensor, target: Tensor, power: float = 0.7) -> Tensor:
    """(1 - p^power) / power: bounded, so a wrong label pulls little. Zhang & Sabuncu 2018, whose power is 0.7.

    power towards 0 is cross-entropy, 1 the mean absolute error of the chances.
    """
    return ((1 - (power * _log_chances(said, target)).exp()) / power).mean(1)


def hinge(said: Tensor, target: Tensor, margin: float = 1.0) -> Tensor:
    """How far the true class is from leading all others by `margin`. Crammer & Singer 2001.

    Of marks, for each label max(0, margin - y s) with y = ±1 (Cortes & Vapnik 1995), mean over labels.
    """
    if target.is_floating_point():
        return (margin - (2 * target - 1) * said).clamp(min=0).mean(1)
    places = target.unsqueeze(1)
    others = said.scatter(1, places, -torch.inf).amax(1)
    return (margin + others - said.gather(1, places).squeeze(1)).clamp(min=0)


def perceptron(said: Tensor, target: Tensor) -> Tensor:
    """The hinge without a margin: only rows that are wrong teach. Rosenblatt 1958; Collins 2002 for several classes."""
    return hinge(said, target, margin=0.0)


def triplet(anchor: Tensor, same: Tensor, other: Tensor, margin: float = 0.2) -> Tensor:
    """How far the squared distance to the same is from being smaller by `margin`. Schroff et al. 2015.

    Each (B, width), usually of length 1.
    """
    near, far = (anchor - same).square().sum(1), (anchor - other).square().sum(1)
    return (near - far + margin).clamp(min=0)


def ctc(said: Tensor, target: Tensor, said_length: Tensor, target_length: Tensor) -> Tensor:
    """-log of the chance of all alignments that read as the target. Graves et al. 2006.

    said: logits (B, T, symbols), symbol 0 is the blank.  target: int64 (B, L), padded.  Lengths: int64 (B,).
    A target that does not fit into its steps costs 0: nobody can learn it.
    """
    logs = said.log_softmax(2).transpose(0, 1)
    return functional.ctc_loss(logs, target, said_length, target_length, reduction="none", zero_infinity=True)


NAMED: Mapping[str, Loss] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "binary": binary,
    "focal": focal,
    "generalised_cross_entropy": generalised_cross_entropy,
    "hinge": hinge,
    "perceptron": perceptron,
}
SMOOTHED = ("cross_entropy", "binary")


def named(name: str, plan: Train) -> Loss:
    """The loss of this name with what the plan says about it."""
    options: dict[str, float] = {}
    if name in SMOOTHED and plan.label_smoothing:
        options["smoothing"] = plan.label_smoothing
    if name == "focal":
        options["focusing"] = plan.focusing
    loss: Callable[..., Tensor] = NAMED[name]
    return partial(loss, **options) if options else loss


def by_row(loss: Loss, said: Tensor, target: Tensor) -> Tensor:
    """(B,). said: (B, outputs), or (B, members, outputs) of a network of several: the mean of the losses of each."""
    members = said.shape[1] if said.ndim == 3 else 1
    each = target if members == 1 else target.repeat_interleave(members, 0)
    return loss(said.flatten(0, -2), each).reshape(len(target), members).mean(1)


def _marks(said: Tensor, target: Tensor) -> Tensor:
    """A class as one mark among zeros."""
    if target.is_floating_point():
        return target
    return functional.one_hot(target, said.shape[1]).to(said.dtype)


def _log_chances(said: Tensor, target: Tensor) -> Tensor:
    """log p of what is true: (B, 1) of a class, (B, labels) of marks."""
    if target.is_floating_point():
        return functional.logsigmoid((2 * target - 1) * said)
    return said.log_softmax(1).gather(1, target.unsqueeze(1))
