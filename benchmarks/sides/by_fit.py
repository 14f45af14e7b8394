"""Our side of a race: the recipe's model through `feilun.parts.engine.fit`, as `feilun run` does it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from course import Course, Watch
from feilun.core import discover
from feilun.core.recipe import Model, Train
from feilun.parts.engine import losses, randomness
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.models import fused


class Over(Exception):
    """The referee has seen enough."""


def main() -> None:
    """One run; what came of it as the last line."""
    course = Course()
    torch.set_num_threads(2)
    options, shape = course.options, course.rows["train_x"].shape[1:]
    feature: Any = SimpleNamespace(kind="number", width=shape[0])
    if len(shape) == 3:
        shift = {"shift": options["shift"]} if options.get("shift") else None
        feature = discover.feature("image", columns=("x",), size=shape[1:], channels=shape[0], augment=shift)
    classes = int(course.rows["train_y"].max()) + 1
    with randomness.initialised(options["seed"]):
        network = fused.build(Model(**options["model"]), {"x": feature}, ("x",), classes)
    watch = Watch(course, lambda part: logits(network, course.inputs(part)))
    learn(network, feature if options.get("shift") else None, course, watch)
    watch.tell()


def learn(network: torch.nn.Module, changed: Any, course: Course, watch: Watch) -> None:
    """Through `fit`; the referee looks between two steps, which is where the next batch's objective begins."""
    plain, begun = discover.task("classification").objective, False

    def objective(networks: Mapping[str, Any], batch: Mapping[str, torch.Tensor], player: str) -> torch.Tensor:
        nonlocal begun
        if begun and watch.step():
            raise Over
        begun = True
        losses: torch.Tensor = plain(networks, batch, player)
        return losses

    augment = None if changed is None else (lambda batch, drawn: {**batch, "x": changed.augment(batch["x"], drawn)})
    arrays = {"x": course.rows["train_x"], "target": course.rows["train_y"].astype(np.int64)}
    options = course.options
    plan = {"epochs": options["epochs"], "batch_size": options["batch"], "learning_rate": options["rate"]}
    plan |= {"decay": "one_cycle" if options.get("cycle") else "none", **options["train"]}
    told = Train(**plan, label_smoothing=options.get("smoothing", 0.0))
    if told.label_smoothing:
        plain = functools.partial(plain, loss=losses.named("cross_entropy", told))
    index, learning = Index(train=np.arange(len(arrays["target"]))), Learning(objective=objective, augment=augment)
    try:
        fit({"main": network}, arrays, index, learning, told, Run(seed=options["seed"]))
        watch.step()
    except Over:
        pass


def logits(network: torch.nn.Module, inputs: np.ndarray) -> np.ndarray:
    """(N, classes), in eval mode and full precision; training goes on as it was."""
    network.eval()
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        parts = [network(x=part)["logits"] for part in torch.from_numpy(inputs).split(1000)]
    network.train()
    return torch.cat(parts).numpy()


if __name__ == "__main__":
    main()
