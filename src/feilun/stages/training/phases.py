"""The trainings that a recipe asks for, one after the other: from inputs alone, from labels, and from our own labels.

Every training before the last has a folder of its own with its checkpoints; once finished it holds the weights, and an
interrupted run goes on behind it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.recipe import Train
from feilun.core.work import Work
from feilun.parts.bundle.answering import answer_rows, encode, input_features
from feilun.parts.dataset import Table
from feilun.parts.engine import adapters, checkpoints, group, initialisation, solving, trained, weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Fitted, Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.models import selfsupervised
from feilun.parts.ops.ragged import stacked
from feilun.stages.training import start
from feilun.stages.training.balance import balanced
from feilun.stages.training.settling import Ground, settle

PRETRAINING, FIRST = "pretraining", "first"  # folders
REFERENCE = "reference"  # a player that never learns: what main is when training begins
ALONE = {  # of train: what a training without labels does not take over
    "profile": False,
    "patience": None,
    "freeze": (),
    "unfreeze": None,
    "layer_decay": 1.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "find": (),
    "average": "none",
    "compile": "never",
    "accumulate": 1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """What is learnt and from what. index: not yet balanced."""

    work: Work
    table: Table
    arrays: Mapping[str, Any]
    index: Index
    learning: Learning
    plan: Train
    run: Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Learnt:
    """facts: for the manifest."""

    networks: dict[str, nn.Module]
    fitted: Fitted
    facts: dict[str, Any]


def learn(lesson: Lesson) -> Learnt:
    """All trainings of the recipe. In a lap there is one: it goes on from the champion, and no other source is read."""
    wanted = lesson.plan.pseudo_labels if lesson.work.lap is None else None
    networks, facts = started(lesson)
    index = balanced(lesson.index, lesson.arrays, lesson.table.features, lesson.work.recipe)
    if wanted is None:
        return Learnt(networks=networks, fitted=_fit(lesson, networks, lesson.arrays, index, ""), facts=facts)
    _check_labels(lesson, "train.pseudo_labels")
    _phase(lesson, FIRST, networks, lambda: _fit(lesson, networks, lesson.arrays, index, FIRST))
    arrays, index, found = _with_answers(lesson, networks)
    networks, _ = started(lesson)
    return Learnt(
        networks=networks, fitted=_fit(lesson, networks, arrays, index, ""), facts={**facts, "pseudo_labels": found}
    )


def started(lesson: Lesson) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """The networks as the first step with labels finds them, and facts."""
    work, recipe = lesson.work, lesson.work.recipe
    with initialised(recipe.seed):
        networks = work.task.build(recipe, lesson.table.features)
        if recipe.train.initialisation != "default":
            initialisation.start(networks, recipe.train.initialisation)
    if work.parent is not None:
        weights.load(networks, trained.folder(work.parent) / weights.FILE)
    elif recipe.model.weights is not None:
        start.begin(networks, recipe.model, lesson.table.features, work.folder.parent.parent / "models", work.say)
    if REFERENCE in networks:
        weights.put({"main": networks[REFERENCE]}, weights.named({"main": networks["main"]}), REFERENCE)
    if lesson.plan.pretrain is None or work.lap is not None:
        return networks, {}
    return networks, _pretrained(lesson, networks)


def clear(folder: Path) -> None:
    """Remove what only the way here needed, once the result is saved."""
    checkpoints.clear(folder)
    for name in (PRETRAINING, FIRST):
        shutil.rmtree(folder / name, ignore_errors=True)


def _fit(lesson: Lesson, networks: dict[str, nn.Module], arrays: Mapping[str, Any], index: Index, place: str) -> Fitted:
    """The training with labels: of everything, of an adapter, or of the last layer alone."""
    recipe, folder = lesson.work.recipe, lesson.work.folder / place
    adapter = recipe.model.adapter
    if lesson.plan.few_shot:
        if len(networks) > 1 or adapter is not None:
            got = "model.adapter" if adapter is not None else ", ".join(networks)
            raise _not_here("train.few_shot", "one network, of which the last layer alone learns", got)
        return solving.fit_head(next(iter(networks.values())), arrays, index, lesson.learning, recipe.seed)
    run = replace(lesson.run, folder=folder, watch=None, watchers=()) if place else lesson.run
    if adapter is None:
        return _settled(lesson, networks, arrays, index, run)
    whole = _numbers(networks)
    with initialised(recipe.seed):
        learns = {player: networks[player] for player in dict.fromkeys(lesson.learning.turns)}
        injected = adapters.inject(learns, adapter.lora)
    lesson.work.say.line(
        f"LoRA of rank {adapter.lora.rank}: {_numbers(networks, learning=True):,} numbers learn, not {whole:,}."
    )
    fitted = _settled(lesson, networks, arrays, index, run)
    adapters.merge(injected, folder)
    if group.current().writes and recipe.model.name == "decoder" and recipe.model.options.get("symbols"):
        start.publish_adapter(folder / adapters.FOLDER, recipe.model)
    return replace(fitted, parameters=whole)


def _settled(
    lesson: Lesson, networks: dict[str, nn.Module], arrays: Mapping[str, Any], index: Index, run: Run
) -> Fitted:
    """Train by the plan, with what it leaves to measurement chosen once: where there are two trainings, for both."""
    ground = Ground(networks=networks, arrays=arrays, index=index, learning=lesson.learning, seed=run.seed)
    plan = settle(lesson.plan, ground, lesson.work.folder, lesson.work.say)
    return fit(networks, arrays, index, lesson.learning, plan, run)


def _numbers(networks: Mapping[str, nn.Module], *, learning: bool = False) -> int:
    every = {id(p): p for network in networks.values() for p in network.parameters() if p.requires_grad or not learning}
    return sum(parameter.numel() for parameter in every.values())


def _phase(lesson: Lesson, name: str, networks: dict[str, nn.Module], train: Any) -> None:
    """Train, and keep the weights; where they are kept, take them."""
    folder = lesson.work.folder / name
    folder.mkdir(exist_ok=True)
    if (folder / weights.FILE).is_file():
        weights.load(networks, folder / weights.FILE)
        return
    train()
    here = group.current()
    if here.writes:
        weights.save(networks, folder / weights.FILE)
        checkpoints.clear(folder)
    here.wait()


def _pretrained(lesson: Lesson, networks: dict[str, nn.Module]) -> dict[str, Any]:
    """Learn from inputs alone: those of the training rows, and those of the source without labels."""
    wanted = lesson.plan.pretrain
    if wanted is None:
        return {}
    work, features = lesson.work, dict(input_features(lesson.work.task, lesson.table.features))
    with initialised(work.recipe.seed):
        network = selfsupervised.network(wanted.method, next(iter(networks.values())), features)
    arrays = {name: lesson.arrays[name] for name in features}
    labels = wanted.method == "labels"
    if labels:
        _check_labels(lesson, "train.pretrain.method labels", without=wanted.source)
        arrays["target"] = lesson.arrays["target"]
    rows, left_out = lesson.index.train, 0
    if wanted.source is not None:
        others, left_out = _unlabelled(lesson, wanted.source)
        count = len(next(iter(arrays.values())))
        new = encode(features, others)
        arrays = {name: stacked(array, new[name]) for name, array in arrays.items()}
        rows = np.concatenate([rows, np.arange(count, count + len(next(iter(new.values()))))])
    reads: dict[str, Any] = {name: features[name] for name in network.inputs}  # type: ignore[union-attr]
    change = None if labels else selfsupervised.changed(wanted.method, reads)
    learning = Learning(objective=selfsupervised.objective, augment=change, early_stop=False)
    plan = lesson.plan.model_copy(update={**ALONE, "epochs": wanted.epochs})
    run = replace(lesson.run, folder=work.folder / PRETRAINING, watch=None, watchers=())
    seen = f"{len(rows):,} rows" if labels else f"{len(rows):,} rows without labels"
    work.say.line(f"Pre-training ({wanted.method}): {wanted.epochs} epochs on {seen}.")
    _phase(
        lesson, PRETRAINING, networks, lambda: fit({"main": network}, arrays, Index(train=rows), learning, plan, run)
    )
    return {"pretraining": {"method": wanted.method, "rows": len(rows), "left_out_equal_to_judged": left_out}}


def _with_answers(lesson: Lesson, networks: dict[str, nn.Module]) -> tuple[dict[str, Any], Index, dict[str, int]]:
    """Arrays and index with the rows that the networks are sure of, weighted by how sure (Lee 2013)."""
    work, table, wanted = lesson.work, lesson.table, lesson.plan.pseudo_labels
    task, recipe, features = work.task, work.recipe, table.features
    source, least = (wanted.source, wanted.confidence) if wanted else ("", 1.0)
    rows, left_out = _unlabelled(lesson, source)
    for network in networks.values():
        network.eval()
    run = TorchRunner(task.graphs(networks, trained.batch(task, recipe, table.arrays, table.index("train")[:2])))
    known = {split: table.columns(split) for split in ("train", "validation")}
    state = task.settle(run, known, features, recipe) if task.settle else {}
    answers = answer_rows(task, run, features, state, rows)
    sure = [place for place, answer in enumerate(answers) if answer["score"] >= least]
    taken = {name: [values[place] for place in sure] for name, values in rows.items()}
    target = features["target"]
    labelled = [task.correct({}, {"label": answers[place]["label"]}, recipe) for place in sure]
    new = encode(input_features(task, features), taken) if sure else {}
    new |= {"target": target.encode({column: [row[column] for row in labelled] for column in target.columns})}
    arrays = {name: stacked(array, new[name]) if sure else array for name, array in lesson.arrays.items()}
    count = len(lesson.arrays["target"])
    places = np.arange(count, count + len(sure))
    index = replace(lesson.index, train=np.concatenate([lesson.index.train, places]))
    index = balanced(index, arrays, features, recipe)
    each = np.ones(count + len(sure), np.float32) if index.weights is None else index.weights.copy()
    each[places] *= np.array([answers[place]["score"] for place in sure], np.float32)
    work.say.line(
        f"{len(sure):,} of {len(answers):,} rows without labels are answered with at least {100 * least:g} % and are "
        "learnt as answered."
    )
    found = {"rows": len(answers), "taken": len(sure), "left_out_equal_to_judged": left_out}
    return arrays, replace(index, weights=each), found


def _unlabelled(lesson: Lesson, source: str) -> tuple[Mapping[str, Any], int]:
    """({input column: values}, how many were left out), said in a line."""
    work = lesson.work
    read = discover.stage_verb("data", "unlabelled")
    rows, left_out = read(work.recipe, work.base, source, work.before["data"])
    if left_out:
        work.say.line(f"{left_out:,} rows without labels equal rows that are judged, and were left out.")
    return rows, int(left_out)


def _check_labels(lesson: Lesson, key: str, without: str | None = None) -> None:
    """Raises RecipeError where an answer is no label with a probability. without: a source of rows that have none."""
    target = lesson.table.features.get("target")
    if target is None or target.kind != "labels" or getattr(target, "several", False):
        raise _not_here(key, "a classification with one label per row", str(lesson.work.task.summary))
    if without is not None:
        raise _not_here(key, "no train.pretrain.source, whose rows have no labels", without)


def _not_here(key: str, expected: str, got: str) -> RecipeError:
    return RecipeError(
        f"{key} needs {expected}; here is: {got}. Leave {key} out.",
        where=key,
        expected=expected,
        got=got,
        fix=f"{key}: null",
    )
