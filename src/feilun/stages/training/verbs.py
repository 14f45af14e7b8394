"""The training stage: encoded rows and a task in, weights and curves out; in a lap it goes on from the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.manifest import write_json
from feilun.core.recipe import Recipe, Train
from feilun.core.work import Made, Work
from feilun.parts.dataset import Table
from feilun.parts.engine import group, weights
from feilun.parts.engine.events import EventFile
from feilun.parts.engine.mlflow_runs import MlflowRun
from feilun.parts.engine.plan import Fitted, Index, Run
from feilun.parts.engine.watching import Watcher
from feilun.stages.training import learning, phases, possible, processes, trials
from feilun.stages.training.draw import with_share
from feilun.stages.training.settling import chosen

if TYPE_CHECKING:
    from feilun.core.protocols import Say

USES = ("seed", "task", "inputs", "target", "model", "train")
CODE = ("models", "features")


def depends(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    """In a lap the share drawn from feedback matters too; else what lies in the sources without labels."""
    if lap:
        return str(recipe.improve.share)
    given = [recipe.train.pretrain, recipe.train.pseudo_labels]
    named = [one.source for one in given if one is not None and one.source is not None]
    read = discover.stage_verb("data", "fingerprint")
    return " ".join(read(recipe, base, name) for name in named)


def make(work: Work) -> Made:
    """Train from the start, from other weights, from a checkpoint, or in a lap from the champion's weights."""
    plan = work.recipe.train
    together = plan.processes > 1 or plan.shard or plan.cluster is not None
    facts = processes.train(work) if together else train(work)
    phases.clear(work.folder)
    return Made(facts=facts)


def train(work: Work) -> dict[str, Any]:
    """What every process of a training does; the first one writes the result. Returns the facts of the stage."""
    task, recipe = work.task, work.recipe
    table = Table.open(work.before["data"])
    arrays: Mapping[str, Any] = table.arrays
    rows = np.arange(len(table.splits))
    if task.examples is not None:
        arrays, rows = task.examples(arrays, recipe)
    run = Run(seed=recipe.seed, folder=work.folder, say=work.say, again=_again(work), watch=trials.watched(work))
    lesson = phases.Lesson(
        work=work,
        table=table,
        arrays=arrays,
        index=_index(work, table, rows),
        learning=learning.of(recipe, task, table.features),
        plan=_plan(work),
        run=replace(run, watchers=_watchers(work) if group.current().writes else ()),
    )
    learnt = phases.learn(lesson)
    here = group.current()
    if here.writes:
        weights.save(learnt.networks, work.folder / weights.FILE)
        write_json(work.folder / "curves.json", list(learnt.fitted.curves))
    if learnt.fitted.profile is not None:
        work.say.line(" ".join(learnt.fitted.profile["words"]))
    before = trials.halted(work.folder) or {"seconds": 0.0}
    found = chosen(work.folder, in_time=learnt.fitted.in_time)
    facts = {**_facts(learnt.fitted), **learnt.facts, **found, "seconds_before": before["seconds"]}
    return {**facts, "processes": here.size}


def keep_weights(place: Path, folder: Path) -> str:
    """Copy the weights at this place (bundle, .safetensors, Hugging Face folder) to `folder/<sha256>.safetensors`.

    Returns the hash. Raises IntegrityError for a bundle that is not what was packed.
    """
    from feilun.stages.training import start

    return start.keep(place, folder)


def check(recipe: Recipe) -> None:
    """Before any data work. Raises RecipeError for a loss or a way of mixing that task or columns do not have."""
    possible.check(recipe, discover.task(str(recipe.task)))


def forecast(
    recipe: Recipe, base: Path, splits: Mapping[str, int] | None = None, weights: Path | None = None
) -> dict[str, Any]:
    """{seconds, memory_mb, parameters, steps, rows_per_s, words} of a run, from a few measured steps; nothing is kept.

    recipe: resolved.  splits: {split: rows} where they are known.  weights: of a bundle, kept in this folder.
    Raises RecipeError where no layer of them fits the network.
    """
    from feilun.stages.training import forecast as measuring

    return measuring.of(recipe, base, splits, weights)


def race(recipe: Recipe, candidates: Sequence[Recipe], parent: Path, attempt: Callable[..., Any], say: Say) -> Any:
    """Candidates of `model: auto` against each other: a `racing.Raced` of what finished, failed and was stopped.

    recipe: as it was asked for.  attempt(candidate, folder, watch) trains one and returns {stage: its folder}.
    """
    from feilun.stages.training import racing

    return racing.race(recipe, candidates, parent, attempt, say)


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
