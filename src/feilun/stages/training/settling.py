"""What training chooses by measurement before it starts: rate, batch size, epochs that fit; written down, then kept."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feilun.core.manifest import read_json, write_json
from feilun.core.recipe import Train
from feilun.parts.engine import finding, group, measuring

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from feilun.core.protocols import Say
    from feilun.parts.engine.plan import Index, Learning

FILE = "chosen.json"
USABLE = 0.9  # of the time limit; the rest is for checkpoints and for what a few steps do not show
MEMORY_SHARE = 0.5  # of the memory that is free, for a batch and what it leaves behind


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What is measured on: the networks before training, encoded examples, and the seed."""

    networks: Mapping[str, nn.Module]
    arrays: Mapping[str, Any]
    index: Index
    learning: Learning
    seed: int


def settle(plan: Train, ground: Ground, folder: Path, say: Say) -> Train:
    """The plan with everything that `find` and `time_limit_s` ask for in place of the question.

    What was chosen lies in the folder's chosen.json before training starts, so that a run that was killed goes on with
    the same values, bit for bit.  The plan's time_limit_s is then what measuring left of it.
    """
    if not plan.find and plan.time_limit_s is None:
        return plan
    path = folder / FILE
    together = group.current()

    def choose() -> None:
        if not path.is_file():
            with group.apart():
                write_json(path, _choose(plan, ground, say, together.size))

    together.decided(choose)
    return plan.model_copy(update=read_json(path)["train"])


def chosen(folder: Path, *, in_time: bool) -> dict[str, Any]:
    """Facts for the manifest: `{chosen: {key under train: value}}`, or nothing where nothing was measured.

    in_time: whether training ended by itself. If the clock ended it, its limit stays in the recipe.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    found = {key: value for key, value in read_json(path)["train"].items() if key != "time_limit_s"}
    return {"chosen": {**found, "find": [], **({"time_limit_s": None} if in_time else {})}}


def _choose(plan: Train, ground: Ground, say: Say, processes: int) -> dict[str, Any]:
    """{train: {key: value}, measured: {...}}. processes: that will train together; one of them measures."""
    started = time.monotonic()
    on = (ground.networks, ground.arrays, ground.index, ground.learning)
    found: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    if "batch_size" in plan.find:
        found["batch_size"], measured["rows_per_s"] = finding.batch_size(*on, plan, _free_bytes())
        if "learning_rate" not in plan.find and plan.learning_rate == Train().learning_rate:
            found["learning_rate"] = finding.scaled(plan, found["batch_size"])
        say.line(_said_of_size(found, measured["rows_per_s"]))
        plan = plan.model_copy(update=found)
    if "learning_rate" in plan.find:
        found["learning_rate"], measured["rates"] = finding.learning_rate(*on, plan, ground.seed)
        say.line(f"learning rate {found['learning_rate']:g}, found by a rate that rises until the loss does")
        plan = plan.model_copy(update=found)
    if plan.time_limit_s is not None:
        epoch_s = _epoch_s(plan, ground) / processes
        left_s = plan.time_limit_s - (time.monotonic() - started)
        found["epochs"] = min(plan.epochs, max(1, int(USABLE * left_s / epoch_s)))
        if plan.unfreeze is not None and plan.unfreeze > found["epochs"]:
            found["unfreeze"] = None  # the time is over before
        found["time_limit_s"] = max(0.001, round(left_s, 3))
        measured["epoch_s"] = epoch_s
        say.line(_said_of_time(plan, found["epochs"], epoch_s))
    return {"train": found, "measured": measured}


def _epoch_s(plan: Train, ground: Ground) -> float:
    index = ground.index
    pace = measuring.pace(ground.networks, ground.arrays, index, ground.learning, plan)
    return len(index.train) * pace.row_s + len(index.validation) * pace.judged_s


def _free_bytes() -> int:
    """Of the memory that is free now, the share that a batch may take; 2 GB are taken to be free if nobody says."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows; some systems
        free = 2 << 30
    return int(MEMORY_SHARE * free)


def _said_of_size(found: Mapping[str, Any], measured: list[tuple[int, float]]) -> str:
    size = found["batch_size"]
    speed = dict(measured)[size]
    rate = f"; learning rate {found['learning_rate']:g} goes with it" if "learning_rate" in found else ""
    tried = f"{measured[0][0]} to {measured[-1][0]}" if len(measured) > 1 else str(size)
    return f"batch size {size} ({speed:,.0f} rows/s; {tried} were tried){rate}"


def _said_of_time(plan: Train, epochs: int, epoch_s: float) -> str:
    fits = f"all {plan.epochs} epochs fit" if epochs == plan.epochs else f"{epochs} of {plan.epochs} epochs fit"
    return f"time limit {plan.time_limit_s:g} s: {fits}, about {epoch_s:.2g} s each"
