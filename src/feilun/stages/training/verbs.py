"""The training stage: encoded rows and a task in, weights and curves out; in a lap it goes on from the champion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.manifest import read_json, write_json
from feilun.core.recipe import Recipe, Train
from feilun.core.work import Made, Work
from feilun.parts.dataset import Table
from feilun.parts.engine import checkpoints, initialisation, weights
from feilun.parts.engine.events import EventFile
from feilun.parts.engine.fit import fit
from feilun.parts.engine.mlflow_runs import MlflowRun
from feilun.parts.engine.plan import Fitted, Index, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.watching import Watcher
from feilun.stages.training import learning, possible
from feilun.stages.training.balance import balanced
from feilun.stages.training.draw import with_share

# How often a checkpoint is made, how many are kept and who looks on does not change the result.
NO_MATTER = ("checkpoint_s", "keep", "report_to", "profile")
USES = (
    *("seed", "task", "inputs", "target", "model"),
    *(f"train.{key}" for key in Train.model_fields if key not in NO_MATTER),
)
CODE = ("models", "features")


def depends(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    """In a lap the share drawn from feedback matters too."""
    return str(recipe.improve.share) if lap else ""


def make(work: Work) -> Made:
    """Train from the start, from a checkpoint, or in a lap from the champion's weights."""
    task, recipe = work.task, work.recipe
    table = Table.open(work.before["data"])
    arrays: Mapping[str, Any] = table.arrays
    rows = np.arange(len(table.splits))
    if task.examples is not None:
        arrays, rows = task.examples(arrays, recipe)
    what = learning.of(recipe, task, table.features)
    with initialised(recipe.seed):
        networks = task.build(recipe, table.features)
        if recipe.train.initialisation != "default":
            initialisation.start(networks, recipe.train.initialisation)
    if work.parent is not None:
        weights.load(networks, _trained(work.parent) / weights.FILE)
    run = Run(seed=recipe.seed, folder=work.folder, say=work.say, again=_again(work), watchers=_watchers(work))
    index = balanced(_index(work, table, rows), arrays, table.features, recipe)
    fitted = fit(networks, arrays, index, what, _plan(work), run)
    weights.save(networks, work.folder / weights.FILE)
    write_json(work.folder / "curves.json", list(fitted.curves))
    checkpoints.clear(work.folder)
    if fitted.profile is not None:
        work.say.line(" ".join(fitted.profile["words"]))
    return Made(facts=_facts(fitted))


def check(recipe: Recipe) -> None:
    """Before any data work. Raises RecipeError for a loss or a way of mixing that task or columns do not have."""
    possible.check(recipe, discover.task(str(recipe.task)))


def forecast(recipe: Recipe, base: Path, splits: Mapping[str, int] | None = None) -> dict[str, Any]:
    """{seconds, memory_mb, parameters, steps, rows_per_s, words} of a run, from a few measured steps; nothing is kept.

    recipe: resolved.  splits: {split: rows} where they are known.
    """
    from feilun.stages.training import forecast as measuring

    return measuring.of(recipe, base, splits)


def fingerprint(module: Any) -> str:
    """SHA-256 of a network given from Python: its structure and its weights, which are where training starts.

    Raises RecipeError for what is no network, such as its class. Weights of lazy layers do not exist yet.
    """
    import hashlib

    import torch
    from torch.nn.parameter import is_lazy

    if not isinstance(module, torch.nn.Module):
        raise _no_network(module)
    found = hashlib.sha256(repr(module).encode())
    for name, tensor in module.state_dict().items():
        content = b"" if is_lazy(tensor) else tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
        found.update(name.encode() + content)
    return found.hexdigest()


def _no_network(given: Any) -> RecipeError:
    name = getattr(given, "__name__", "")
    got = f"the class {name}" if isinstance(given, type) else f"{type(given).__name__} {name}".strip()
    fix = f"model={name}(...)" if isinstance(given, type) else "model=nn.Sequential(...)"
    return RecipeError(
        f"model is {got}; expected a network, an instance of nn.Module: {fix}. A function that builds one belongs in a "
        "file, as build(inputs, outputs): model={'file': 'my_model.py'}.",
        where="model",
        expected="an nn.Module",
        got=got,
        fix=fix,
    )


def _plan(work: Work) -> Train:
    """In a lap without early stopping: validation rows know nothing of the feedback, so they would call off the lesson.

    With it the second lap of the demonstration scored 72.6 % live, without it 84.8 %. The gate judges the outcome.
    """
    plan = work.recipe.train
    return plan if work.lap is None else plan.model_copy(update={"patience": None})


def _index(work: Work, table: Table, rows: np.ndarray) -> Index:
    """Which examples train and which validate; rows: int64 (examples,), the row behind each example."""
    train = np.flatnonzero(np.isin(rows, table.index("train")))
    validation = np.flatnonzero(np.isin(rows, table.index("validation")))
    if work.lap is not None:
        train = with_share(train, table.origin[rows[train]] > 0, work.recipe.improve.share)
    return Index(train=train, validation=validation)


def _trained(parent: Path) -> Path:
    """The training folder of a run, which may be another run's: run.json says where."""
    places = read_json(parent / "run.json")["stages"]
    return parent.parent / str(places["training"])


def _watchers(work: Work) -> tuple[Watcher, ...]:
    """Who keeps the curves: TensorBoard's event files always, and those whom `train.report_to` names."""
    recipe, files = work.recipe, EventFile(work.folder)
    if "mlflow" not in recipe.train.report_to:
        return (files,)
    said = {"task": recipe.task, "seed": recipe.seed, "train": recipe.train.model_dump(mode="json")}
    said["model"] = recipe.model.model_dump(mode="json")
    return files, MlflowRun(work.folder, str(recipe.name), f"{recipe.name}@{work.version}", _flat(said))


def _flat(settings: Mapping[str, Any], head: str = "") -> dict[str, Any]:
    """{recipe key with dots: value}."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{head}{key}.") if isinstance(value, Mapping) else {f"{head}{key}": value}
    return flat


def _again(work: Work) -> str:
    """What a person types to go on."""
    return f"feilun {'run' if work.lap is None else 'improve'} {work.recipe.name} (the same command)"


def _facts(fitted: Fitted) -> dict[str, Any]:
    names = ("parameters", "epochs", "best_epoch", "steps", "rows_per_s", "threads", "device", "compiled")
    found = {name: getattr(fitted, name) for name in names}
    return found if fitted.profile is None else {**found, "profile": fitted.profile}
