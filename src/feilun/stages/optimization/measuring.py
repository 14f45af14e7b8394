"""What a variant costs and what it is worth: milliseconds, score with interval, agreement with PyTorch's answers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from feilun.parts.bundle.answering import answer_rows
from feilun.parts.metrics.resampling import drawn

if TYPE_CHECKING:
    from feilun.core.protocols import Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features, Json, Row, Rows, State, Task

CALLS = 30  # single rows
BATCHES, BATCH = 5, 32
BUDGET_S = 8.0  # a model this slow is timed on fewer calls, at least three
CLOSE = 0.05  # numbers this close, relative or absolute, count as the same answer: a probability of 0.91 or 0.94


def latency(answer: Callable[[list[Row]], Any], rows: Sequence[Row]) -> dict[str, Any]:
    """Median milliseconds from raw row to answer: one row a call, and per row in calls of 32. rows: at least one."""
    cycle = [rows[place % len(rows)] for place in range(max(CALLS, BATCHES * BATCH))]
    single = _timed(answer, [[row] for row in cycle[:CALLS]])
    batches = _timed(answer, [cycle[start : start + BATCH] for start in range(0, BATCHES * BATCH, BATCH)])
    return {
        "row_ms": round(statistics.median(single), 4),
        "batch_row_ms": round(statistics.median(batches) / BATCH, 4),
        "calls": len(single),
    }


def score(task: Task, recipe: Recipe, name: str, answers: list[Json], truths: list[Json], rows: Rows) -> dict[str, Any]:
    """The score of this name with its 95 % interval, over the same groups of rows as everywhere."""
    made = task.scores(answers, truths, recipe)[name]
    ends = drawn(recipe, len(truths), rows).ends(made)
    return {"name": name, **ends, "better": made.better, "unit": made.unit}


def agreement(answers: Sequence[Json], reference: Sequence[Json]) -> float:
    """Share of rows with the same answer: same labels, same lengths, numbers within CLOSE of each other."""
    return sum(map(_same, answers, reference)) / max(1, len(reference))


def answering(
    task: Task, run: Runner, features: Features, state: State, *, judged: bool = False
) -> Callable[[Any], list[Json]]:
    """rows -> answers, the same way as in serving; judged: what judging looks at."""
    return lambda rows: answer_rows(task, run, features, state, rows, judged=judged)


def _timed(answer: Callable[[list[Row]], Any], calls: Sequence[list[Row]]) -> list[float]:
    """Milliseconds of each call, after one that does not count."""
    answer(calls[0])
    taken: list[float] = []
    started = time.perf_counter()
    for rows in calls:
        before = time.perf_counter()
        answer(rows)
        taken.append((time.perf_counter() - before) * 1000)
        if len(taken) >= 3 and time.perf_counter() - started > BUDGET_S:
            break
    return taken


def _same(one: Json, other: Json) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= CLOSE * max(1.0, abs(other))
    return bool(one == other)
