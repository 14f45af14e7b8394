"""What every side of a race shares: the same rows, the same clock and the same referee. Needs numpy only.

The clock starts when the first step is done, so that tracing a graph, starting threads and loading a kernel count for
nobody, and stands still while validation rows are scored. Stopping is decided by these rows alone, at the same points
for all: every so many rows seen. Test rows are scored once, with the weights of that moment.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Score = Callable[[np.ndarray], np.ndarray]  # inputs (N, ...) -> logits (N, classes)


class Course:
    """Options and rows of one run, from the JSON that the script was given; see benchmarks/race.py for its keys."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = json.loads(sys.argv[1])
        with np.load(self.options["data"]) as stored:
            self.rows = {name: stored[name] for name in stored.files}

    @property
    def steps(self) -> int:
        """Steps of the whole plan; the last batch of an epoch may be smaller."""
        return self.options["epochs"] * math.ceil(len(self.rows["train_y"]) / self.options["batch"])

    def inputs(self, part: str) -> np.ndarray:
        """float32; pictures in [0, 1], (N, channels, height, width)."""
        found = self.rows[f"{part}_x"]
        return found.astype(np.float32) / 255 if found.dtype == np.uint8 else found

    def rate(self, step: int) -> float:
        """The learning rate of a step: constant, or one cycle as ours and torch's OneCycleLR draw it.

        Cosine from 1/25 of the peak up to it in 30 % of the steps, and down to 4e-6 of it.
        """
        peak, steps = float(self.options["rate"]), self.steps
        if not self.options.get("cycle"):
            return peak
        rise = max(1, round(0.3 * steps) - 1)
        if step <= rise:
            return peak * _cosine(1 / 25, 1.0, step / rise)
        return peak * _cosine(1.0, 1e-4 / 25, min(1.0, (step - rise) / max(1, steps - 1 - rise)))

    def quality(self, logits: np.ndarray, part: str) -> float:
        """Accuracy, or the area under the ROC curve of the second class."""
        truth = self.rows[f"{part}_y"]
        if self.options["score"] == "accuracy":
            return float((logits.argmax(1) == truth).mean())
        _, places, counts = np.unique(logits[:, 1] - logits[:, 0], return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # equal scores share their mean rank
        positive = int(truth.sum())
        return float((ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


class Watch:
    """Stops a training when the last target is reached on validation rows. `step` is called after each step."""

    def __init__(self, course: Course, logits: Callable[[str], np.ndarray]) -> None:
        self.course, self.logits = course, logits
        self.targets: list[float] = sorted(course.options["targets"])
        rows, batch = len(course.rows["train_y"]), course.options["batch"]
        each = course.options["check"] * rows / batch
        self.marks = {max(2, round(each * (k + 1))) for k in range(int(course.steps / each) + 1)} | {course.steps}
        self.done, self.started, self.resting = 0, 0.0, 0.0
        self.best, self.reached = 0.0, dict[str, dict[str, float]]()

    def step(self) -> bool:
        """Whether the training is over."""
        self.done += 1
        if self.done == 1:
            self.started = time.perf_counter()
        if self.done in self.marks:
            paused = time.perf_counter()
            self._look(paused - self.started - self.resting)
            self.resting += time.perf_counter() - paused
        return len(self.reached) == len(self.targets) or self.done >= self.course.steps

    def tell(self) -> None:
        """Print what came of it as the last line."""
        seconds = time.perf_counter() - self.started - self.resting
        told = {"reached": self.reached, "best": self.best, "steps": self.done, "seconds": seconds}
        print(json.dumps(told))

    def _look(self, seconds: float) -> None:
        value = self.course.quality(self.logits("validation"), "validation")
        self.best = max(self.best, value)
        for target in self.targets:
            if value >= target and str(target) not in self.reached:
                test = self.course.quality(self.logits("test"), "test")
                found = {"seconds": seconds, "steps": self.done, "validation": value, "test": test}
                self.reached[str(target)] = found
