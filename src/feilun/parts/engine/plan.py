"""What `fit` is told and what it gives back: the records, without the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feilun.core.progress import Quiet
from feilun.core.protocols import Say
from feilun.core.task import Shape
from feilun.core.work import Watch
from feilun.parts.engine.randomness import Buffer
from feilun.parts.engine.watching import Watcher

Batch = dict[str, Tensor]
Objective = Callable[[Mapping[str, Callable[..., Any]], Mapping[str, Tensor], str], Tensor]
Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Numbers of the examples, int64 (N,): an example listed twice is drawn twice. validation may be empty.

    weights: float32, one for every example of the arrays, training and validation: its loss counts so many times.
    chances: float64 (training examples,), how often each is drawn next to the others; an epoch stays as long.
    None: all alike.
    """

    train: np.ndarray
    validation: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: np.ndarray | None = None
    chances: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Learning:
    """What is learnt: the task's objective, who learns when, and what is drawn for every batch."""

    objective: Objective
    turns: tuple[str, ...] = ("main",)  # the player of step t is turns[t % len(turns)]
    noise: Mapping[str, Shape] = field(default_factory=dict)  # N(0, 1) per example, added to the batch
    augment: Augment | None = None  # whole training batches, never validation
    early_stop: bool = True  # whether the validation loss means anything
    inputs: tuple[str, ...] = ()  # names in the batch: what mixup and cutmix mix,
    targets: tuple[str, ...] = ()  # and whose losses they mix


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Where and how: the seed, the folder of checkpoints (None: none are made), who is told, who keeps curves."""

    seed: int = 0
    folder: Path | None = None
    say: Say = field(default_factory=Quiet)
    again: str = "the same command"  # what to type to go on
    watchers: Sequence[Watcher] = ()
    rates: tuple[float, ...] | None = None  # one for every step, instead of the plan's schedule
    watch: Watch | None = None  # told after every epoch


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What came of it. The networks hold the best weights where validation chose, else the last.

    curves: per epoch `{epoch, loss, validation_loss, rows_per_s, learning_rate}`, and `losses` by player if several.
    """

    epochs: int
    best_epoch: int
    steps: int
    parameters: int
    rows_per_s: float
    threads: int
    curves: tuple[dict[str, Any], ...]
    device: str = "cpu"
    compiled: bool = False
    profile: dict[str, Any] | None = None  # see profiling.Profile.result
    in_time: bool = True  # False: the time limit ended it


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a training is: with weights and optimizer state, all that the next step depends on."""

    step: int = 0
    best_loss: float | None = None
    best_epoch: int = 0
    waited: int = 0  # epochs since the best
    sums: dict[str, float] = field(default_factory=dict)  # player -> summed loss over the rows of this epoch
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0  # spent in this epoch
    spent_s: float = 0.0  # since the start, with validation, without what lay between interruptions
    curves: list[dict[str, Any]] = field(default_factory=list)
    first: list[float] = field(default_factory=list)  # losses of the first steps, and of the latest: see divergence
    recent: list[float] = field(default_factory=list)
    buffer: Buffer | None = None  # how streamed rows are shuffled
    averaged: int = 0  # what went into the average of the weights
    scaler: dict[str, Any] = field(default_factory=dict)  # of fp16's losses
    best: dict[str, Tensor] = field(default_factory=dict)
    saved: int = 0  # step of the newest checkpoint

    def to_json(self) -> dict[str, Any]:
        """Everything but the best weights and what is known anyway; a float survives JSON exactly."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name not in ("best", "saved")}
