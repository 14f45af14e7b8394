"""What a run will take on this computer: seconds and memory, from a sample of the rows and a few measured steps."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.core.progress import Quiet
from feilun.core.recipe import AUTO, Recipe, Train
from feilun.core.work import Work
from feilun.parts.dataset import Table
from feilun.parts.engine import execution, finding, measuring, memory
from feilun.parts.engine.batches import bytes_of
from feilun.parts.engine.plan import Index
from feilun.parts.engine.randomness import initialised
from feilun.stages.training import learning as learnt
from feilun.stages.training import racing, start

ROWS, PICTURES = 1_000, 40  # looked at, then eight times as many; a picture takes as long as many rows of a table
# Measured on ten runs of recipes/, two cores (benchmarks/forecast.py). Before the data stage: imports and a look at the
# rows. After training: a part that is always there, what is told and drawn of each row that is judged, answers (three
# passes, and some rows again and again to ask why), and the baselines.
START_S, REST_S, REST_ROW_S, REST_PASSES = 5.0, 2.6, 0.0005, 3
WHY_ROWS = 2_200
BASELINE_ROW_S = {"number": 1e-4, "category": 1e-4, "sequence": 7e-4}  # by the costliest kind of input
BASELINE_TEXT_MB_S = 2.2
LIBRARIES_MB, JUDGED_ROW_MB = 570, 0.008  # Python with torch, datasets, scikit-learn, onnxruntime; an answer, a row
COPIES = 6  # of every weight: itself, gradient, AdamW's two moments, the best so far, one being copied
TABLE_COPIES = 4  # of the rows while the data stage works: as read, without spaces, of their kinds, being written


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """An encoded sample.  data_s: what making it took.  row_s: what one more row would have taken."""

    table: Table
    arrays: Mapping[str, Any]
    rows: np.ndarray  # int64: the row behind each example
    data_s: float
    row_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    parameters: int
    row_s: float  # a training row
    judged_s: float  # a validation row
    activations_bytes: int  # of a batch


def of(
    recipe: Recipe, base: Path, splits: Mapping[str, int] | None = None, weights: Path | None = None
) -> dict[str, Any]:
    """{seconds, memory_mb, parameters, steps, rows_per_s, data_s, training_s, rest_s, words}; upper bounds.

    recipe: resolved.  splits: {split: rows} of the whole, where known.  `model: auto` takes what its candidates take.
    weights: folder of what `model.weights_sha256` names, where it must fit the network.
    Raises RecipeError if no layer of it does.
    """
    if recipe.model.name == AUTO:
        candidates = discover.stage_verb("data", "candidates")(recipe, base=base)
        return _together([of(candidate, base, splits) for candidate in candidates], racing.share(recipe))
    with tempfile.TemporaryDirectory() as folder:
        sample = _sampled(recipe, base, Path(folder))
        whole = dict(splits) if splits else _splits(recipe, base)
        measured = _measure(recipe, sample, whole, weights)
        return _forecast(recipe, sample, measured, whole, _without_labels(recipe, base))


def _sampled(recipe: Recipe, base: Path, folder: Path) -> _Sample:
    """The data stage over some rows, and over eight times as many: a line through both tells what a row takes.

    Where so few teach nothing, being sorted, over more.
    """
    pictures = any(column.kind == "image" for column in recipe.inputs.values())
    least = PICTURES if pictures else ROWS
    before: _Sample | None = None
    for limit in (least, 8 * least, 64 * least):
        if limit >= (recipe.data.limit or math.inf):
            break
        try:
            data = {**recipe.data.model_dump(mode="json"), "limit": limit}
            found = _encoded(recipe.but(data=data), base, folder)
            if before is None:  # the first one imported much
                found = _encoded(recipe.but(data=data), base, folder)
        except DataError:
            continue
        if before is not None or len(found.table.splits) < limit:
            return _line(before, found)
        before = found
    return _line(before, _encoded(recipe, base, folder))


def _line(before: _Sample | None, found: _Sample) -> _Sample:
    """The larger sample with the slope between both."""
    if before is None:
        return replace(found, row_s=found.data_s / max(1, len(found.table.splits)))
    more = len(found.table.splits) - len(before.table.splits)
    return replace(found, row_s=max(0.0, found.data_s - before.data_s) / max(1, more))


def _encoded(recipe: Recipe, base: Path, folder: Path) -> _Sample:
    place = Path(tempfile.mkdtemp(dir=folder))
    task = discover.task(str(recipe.task))
    started = time.perf_counter()
    discover.stage_verb("data", "make")(Work(recipe=recipe, task=task, folder=place, before={}, say=Quiet(), base=base))
    data_s = time.perf_counter() - started
    table = Table.open(place)
    arrays, rows = table.arrays, np.arange(len(table.splits))
    if task.examples is not None:
        arrays, rows = task.examples(arrays, recipe)
    return _Sample(table=table, arrays=arrays, rows=rows, data_s=data_s)


def _splits(recipe: Recipe, base: Path) -> dict[str, int]:
    """About how many rows each split will have."""
    rows = int(discover.stage_verb("data", "profile")(recipe, base=base)[0]["rows"])
    split = recipe.data.split
    shares = {"validation": split.validation, "gate": split.gate, "test": split.test}
    found = {name: round(rows * share) for name, share in shares.items()}
    return {"train": max(1, rows - sum(found.values())), **found}


def _without_labels(recipe: Recipe, base: Path) -> dict[str, int]:
    """{key of train: rows of its source without labels}."""
    count = discover.stage_verb("data", "rows_of")
    wanted = {"pretrain": recipe.train.pretrain, "pseudo_labels": recipe.train.pseudo_labels}
    return {key: count(recipe, base, one.source) for key, one in wanted.items() if one and one.source}


def _measure(recipe: Recipe, sample: _Sample, whole: Mapping[str, int], weights: Path | None) -> _Measured:
    """A few steps of the loop itself, on rows of the sample drawn as often as the steps need."""
    task, table = discover.task(str(recipe.task)), sample.table
    with initialised(recipe.seed):
        networks: dict[str, nn.Module] = task.build(recipe, table.features)
    if weights is not None:
        start.begin(networks, recipe.model, table.features, weights, Quiet())
    learning = learnt.of(recipe, task, table.features)
    train = np.flatnonzero(np.isin(sample.rows, table.index("train")))
    batch = min(recipe.train.batch_size, max(1, whole["train"]))
    plan = recipe.train.model_copy(update={"batch_size": batch})
    found = measuring.pace(networks, sample.arrays, Index(train=train), learning, plan)
    few = train[: math.ceil(batch / plan.accumulate)]
    undo = execution.recomputed(networks.values()) if plan.recompute else lambda: None
    kept = measuring.activations_bytes(networks, sample.arrays, learning, few)
    undo()
    return _Measured(
        parameters=sum(parameter.numel() for network in networks.values() for parameter in network.parameters()),
        row_s=found.row_s,
        judged_s=found.judged_s,
        activations_bytes=kept * batch // len(few) // plan.accumulate,
    )


def _forecast(
    recipe: Recipe, sample: _Sample, found: _Measured, whole: Mapping[str, int], others: Mapping[str, int]
) -> dict[str, Any]:
    rows = sum(whole.values())
    times = rows / max(1, len(sample.table.splits))
    per_row = len(sample.rows) / max(1, len(sample.table.splits))  # examples that a row makes
    examples = max(1, math.ceil(whole["train"] * per_row))
    judged = rows - whole["train"]
    steps = recipe.train.epochs * math.ceil(examples / recipe.train.batch_size)
    data_s = sample.data_s + max(0, rows - len(sample.table.splits)) * sample.row_s
    training_s = _training_s(recipe.train, found, examples, whole.get("validation", 0) * per_row, others)
    answers = REST_PASSES * judged + min(WHY_ROWS, 10 * judged)
    rest_s = REST_S + judged * REST_ROW_S + answers * per_row * found.judged_s + _baselines_s(recipe, sample, whole)
    held = min(bytes_of(sample.arrays) * times, memory.for_rows(recipe.train.memory_mb))  # more is streamed from disk
    reading = TABLE_COPIES * sample.table.rows.data.nbytes * times
    training = COPIES * 4 * found.parameters + 2 * found.activations_bytes + held
    memory_mb = LIBRARIES_MB + JUDGED_ROW_MB * judged + (reading + training) / 2**20
    made = {
        "seconds": round(START_S + data_s + training_s + rest_s, 1),
        "memory_mb": round(memory_mb),
        "parameters": found.parameters,
        "steps": steps,
        "rows_per_s": round(1 / found.row_s),
        "data_s": round(data_s, 1),
        "training_s": round(training_s, 1),
        "rest_s": round(rest_s, 1),
    }
    return {**made, "words": _words(made)}


def _baselines_s(recipe: Recipe, sample: _Sample, whole: Mapping[str, int]) -> float:
    """Simple models learn from the same training rows, texts by their words."""
    kinds = {column.kind for column in recipe.inputs.values()}
    if "text" in kinds:
        row_mb = float(sample.table.rows.data.nbytes) / len(sample.table.splits) / 2**20
        return BASELINE_TEXT_MB_S * row_mb * whole["train"]
    return whole["train"] * max((BASELINE_ROW_S.get(kind, 0.0) for kind in kinds), default=0.0)


def _training_s(plan: Train, found: _Measured, examples: float, judged: float, others: Mapping[str, int]) -> float:
    """Every training of the plan, one after the other. others: rows without labels; all of them may be learnt."""

    def whole(rows: float) -> float:
        if plan.few_shot:  # every row goes through the frozen network once
            return rows * found.judged_s
        return plan.epochs * (rows * found.row_s + judged * found.judged_s)

    lasts = whole(examples)
    if plan.pseudo_labels is not None:
        more = others["pseudo_labels"]
        lasts += more * found.judged_s + whole(examples + more)
    if "learning_rate" in plan.find:
        lasts += finding.ORDERS * finding.STEPS * plan.batch_size * found.row_s
    if plan.time_limit_s is not None:
        lasts = min(lasts, plan.time_limit_s)
    if plan.pretrain is None:
        return lasts
    views = 2 if plan.pretrain.method == "contrastive" else 1
    return lasts + plan.pretrain.epochs * views * (examples + others.get("pretrain", 0)) * found.row_s


def _together(each: list[dict[str, Any]], share: float = 1.0) -> dict[str, Any]:
    """One run that tries them one after the other. share: what trying other rates adds to the training of each.

    The rows are encoded once; a candidate that needs them in another form takes about as long again, which is rare.
    """
    most = {key: max(one[key] for one in each) for key in ("memory_mb", "parameters", "rest_s", "data_s")}
    sums = {key: sum(one[key] for one in each) for key in ("steps", "training_s")}
    sums = {"steps": round(share * sums["steps"]), "training_s": round(share * sums["training_s"], 1)}
    seconds = round(START_S + most["data_s"] + sums["training_s"] + most["rest_s"], 1)
    made = {**each[0], **most, **sums, "seconds": seconds, "rows_per_s": min(one["rows_per_s"] for one in each)}
    return {**made, "words": _words(made)}


def _words(made: Mapping[str, Any]) -> str:
    """Such as `about 2 min on this computer, at most 1.1 GB`."""
    seconds, memory_mb = float(made["seconds"]), float(made["memory_mb"])
    if seconds < 100:
        lasts = f"{max(5, round(seconds / 5) * 5)} s"
    elif seconds < 5400:
        lasts = f"{round(seconds / 60)} min"
    else:
        lasts = f"{seconds / 3600:.1f} h"
    return f"about {lasts} on this computer, at most {math.ceil(memory_mb / 102.4) / 10:.1f} GB"
