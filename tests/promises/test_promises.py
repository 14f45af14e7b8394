"""Every promise, for every task found by name, on the task's built-in example."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import promise_table
import pytest
from promise_life import NAME, Life, as_json, recipe_of
from safetensors.numpy import load_file

from feilun import lifecycle, studies
from feilun.core import discover, manifest
from feilun.core.errors import Stopped
from feilun.core.progress import Quiet
from feilun.lifecycle import STAGES
from feilun.parts.dataset import SPLITS, Table
from feilun.parts.store import Store
from feilun.stages.training.possible import WAYS

FEW = 40  # rows that parity is compared on
MOST = 60  # corrected answers of each split that a lap is made of


def test_the_table_has_every_task_and_every_capability() -> None:
    """What is not tested says planned, or the task's reason; nothing else may say yes."""
    if promise_table.is_writing():
        pytest.skip("the table is being written")
    table = promise_table.read()
    assert sorted(table) == sorted(discover.names("tasks"))
    for task, row in table.items():
        assert tuple(row) == promise_table.CAPABILITIES
        for capability in set(row) - set(promise_table.TESTED):
            assert row[capability] == promise_table.untested(task, capability), f"{task} / {capability}"


@pytest.mark.parametrize("task", sorted(discover.names("tasks")))
def test_a_task_refuses_only_capabilities_that_exist(task: str) -> None:
    known = {*promise_table.CAPABILITIES, *(name.split()[0] for name in promise_table.CAPABILITIES), *WAYS}
    assert set(discover.task(task).cannot) <= known


@pytest.mark.promise("train")
def test_train(life: Life) -> None:
    """Every stage is made, weights moved and are finite, and the second run finds everything made."""
    assert tuple(life.run.stages) == STAGES
    assert life.again.skipped == STAGES
    assert life.again.version == life.run.version == f"{NAME}@1"
    weights = load_file(life.run.stages["training"] / "weights.safetensors")
    assert weights
    assert all(np.isfinite(value).all() for value in weights.values())
    curves = life.file("training", "curves.json")
    losses = [point["loss"] for point in curves]
    assert all(math.isfinite(loss) for loss in losses)
    if len(life.task.turns) == 1:  # players that work against each other do not both get better
        assert min(losses[1:]) < 0.9 * losses[0]  # dropout alone moves it by a few per cent


@pytest.mark.promise("exact resume")
def test_exact_resume(life: Life, tmp_path: Path) -> None:
    """Stopped in the middle of training and run again: the same weights, bit for bit."""
    recipe, stopper = recipe_of(life.task_name), _StopInTheMiddle()
    with pytest.raises(Stopped):
        lifecycle.run_recipe(recipe, home=tmp_path, base=tmp_path, say=stopper)
    folder = tmp_path / NAME / "1" / "training"
    assert manifest.read(folder) is None
    assert (folder / "checkpoint.json").is_file()
    counter = _StopInTheMiddle(after=10**9)
    with pytest.raises(_TrainingIsOver):  # what comes after it is not asked here
        lifecycle.run_recipe(recipe, home=tmp_path, base=tmp_path, say=counter)
    assert counter.first_epoch > 1, "training began anew"
    whole = life.run.stages["training"] / "weights.safetensors"
    assert manifest.hash_file(folder / "weights.safetensors") == manifest.hash_file(whole)


@pytest.mark.promise("intervals and baseline")
def test_intervals_and_baseline(life: Life) -> None:
    """The main score has an interval, and so have at least two baselines on the same rows."""
    scores = life.file("evaluation", "scores.json")
    main = scores["main"]
    assert scores["n"] == len(life.table.index("test"))
    for given in (scores["scores"][main], *(baseline[main] for baseline in scores["baselines"].values())):
        assert given["low"] <= given["value"] <= given["high"]
    ours = scores["scores"][main]
    assert ours["low"] < ours["value"] < ours["high"] or ours["value"] in (0.0, 1.0)  # all wrong or all right
    assert len(scores["baselines"]) >= 2
    assert set(scores["against"]) == set(scores["baselines"])
    assert all(against["words"] for against in scores["against"].values())


@pytest.mark.promise("cross-validation")
def test_cross_validation(life: Life, tmp_path: Path) -> None:
    """Every row is answered once, by a model that did not learn from it; one score over all, baselines beside it."""
    recipe = recipe_of(life.task_name).but(evaluate={"bootstrap": 100}, optimize={"quantize": "none"})
    recipe = recipe.but(train={**recipe.train.model_dump(), "epochs": 1})
    run = lifecycle.run_recipe(recipe, home=tmp_path, base=tmp_path)
    found = studies.cross_validate(run, 2, lifecycle.Given(base=tmp_path, say=Quiet()))
    folds = [run.folder.parent / f"fold-{place}-of-2" for place in (1, 2)]
    answered: list[str] = []
    for folder in folds:
        table = Table.open(folder / "data")
        test = [str(row) for row in table.columns("test")["_id"]]
        lines = (folder / "evaluation" / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == test
        assert not set(test) & set(table.columns("train")["_id"])
        answered += test
    assert sorted(answered) == sorted(str(row) for row in life.table.rows["_id"])
    assert found["n"] == len(answered)
    assert found["low"] <= found["value"] <= found["high"]
    assert len(found["baselines"]) >= 2
    assert json.loads((run.folder / "folds.json").read_text(encoding="utf-8")) == found


@pytest.mark.promise("explanation")
def test_explanation(life: Life) -> None:
    """Every input column has its weight, and shuffling the most important one costs more than chance explains."""
    found = life.file("evaluation", "why.json")
    inputs = {item["input"] for item in found["importance"]}
    assert inputs == set(life.run.recipe.inputs)
    strongest = found["importance"][0]
    assert strongest["low"] > 0
    assert strongest["value"] == max(item["value"] for item in found["importance"])
    assert found["looks"] and all(look["words"] for look in found["looks"])


@pytest.mark.promise("groups")
def test_groups(life: Life, tmp_path: Path) -> None:
    """A column that is no input splits the test rows; each part has its score, and its gap to all others."""
    rows = life.task.example(0)
    frame = {name: [row[name] for row in rows] for name in rows[0]}
    frame["half"] = [("left", "right")[place % 2] for place in range(len(rows))]
    plain = recipe_of(life.task_name).but(data={}, optimize={"quantize": "none"})
    train = {**plain.train.model_dump(), "epochs": 1}
    recipe = plain.but(evaluate={**plain.evaluate.model_dump(), "bootstrap": 100, "groups": ["half"]}, train=train)
    run = lifecycle.run_recipe(recipe, home=tmp_path, base=tmp_path, frame=frame)
    scores = json.loads((run.stages["evaluation"] / "scores.json").read_text(encoding="utf-8"))
    found = {group["value"]: group for group in scores["groups"]}
    assert set(found) == {"left", "right"}
    assert sum(group["n"] for group in found.values()) == scores["n"]
    for group in found.values():
        assert group["column"] == "half"
        assert group["gap"]["words"]
    assert "half" not in run.recipe.inputs


@pytest.mark.promise("adapter/transfer")
def test_transfer(life: Life, tmp_path: Path) -> None:
    """Trained on from the task's own bundle: what is frozen is what was taken, and once unfrozen it learns."""
    base = recipe_of(life.task_name).but(name="next", optimize={"quantize": "none"}, evaluate={"bootstrap": 100})
    theirs = load_file(life.bundle.folder / "weights.safetensors")
    parts = dict.fromkeys(name.partition(".")[0] for name in theirs if "/head" not in name)
    frozen = next(iter(parts))  # the first part of the network, such as main/encoders
    mine = [name for name in theirs if name.startswith(f"{frozen}.") and theirs[name].dtype == np.float32]
    model = {**base.model.model_dump(mode="json"), "weights": str(life.bundle.folder)}
    train = {**base.train.model_dump(), "epochs": 2, "freeze": [frozen], "patience": None}
    still = lifecycle.with_weights(base.but(model=model, train=train), tmp_path, tmp_path)
    given = lifecycle.Given(base=tmp_path, say=Quiet())
    trial, _ = lifecycle.make_stages(still, STAGES[:2], tmp_path / "next" / "trial", given)
    run = lifecycle.run_recipe(base.but(model=model, train={**train, "unfreeze": 2}), home=tmp_path, base=tmp_path)
    for folder, stays in ((trial["training"], True), (run.stages["training"], False)):
        weights = load_file(folder / "weights.safetensors")
        assert weights.keys() == theirs.keys()
        assert any(not np.array_equal(weights[name], theirs[name]) for name in weights)
        assert mine and all(np.array_equal(weights[name], theirs[name]) for name in mine) == stays
    assert lifecycle.load("next", home=tmp_path).predict(life.requests("test", 2))


@pytest.mark.promise("quantize")
def test_quantize(life: Life) -> None:
    """There is an int8 variant, measured beside the plain one, and it answers."""
    measured = life.file("optimization", "variants.json")["variants"]
    assert set(measured) == {"torch", "fp32", "int8"}
    for variant in measured.values():
        assert variant["size_bytes"] > 0 and variant["row_ms"] > 0
        assert variant["score"]["low"] <= variant["score"]["high"]
    graphs = sorted(path.name for path in (life.run.stages["optimization"] / "graphs").glob("*.onnx"))
    assert any(name.endswith(".int8.onnx") for name in graphs)
    weights = [path.read_bytes() for path in (life.run.stages["optimization"] / "graphs").glob("*.int8.onnx")]
    named = (b"_quantized", b"MatMulNBits")  # weights of the usual form, or in blocks, as the steps of a writer have it
    assert any(name in content for content in weights for name in named), "a float32 graph under the name of int8"
    requests = life.requests("test", 4)
    assert len(life.load("int8").predict(requests)) == len(requests)


@pytest.mark.promise("ONNX parity")
def test_onnx_parity(life: Life) -> None:
    """The exported graphs answer the test rows as the torch network did when it was scored."""
    lines = (life.run.stages["evaluation"] / "answers.jsonl").read_text(encoding="utf-8").splitlines()[:FEW]
    torch_answers = [json.loads(line)["answer"] for line in lines]
    graphs_answers = as_json(life.bundle.judged(life.rows("test", FEW)))
    assert len(graphs_answers) == len(torch_answers) > 0
    for ours, theirs in zip(graphs_answers, torch_answers, strict=True):
        assert_alike(ours, theirs)


@pytest.mark.promise("serve without torch")
def test_serve_without_torch(life: Life, tmp_path: Path) -> None:
    """`predict.py` answers in a process that cannot import torch, nor any other package of training."""
    requests = life.requests("test", 4)
    (tmp_path / "rows.json").write_text(json.dumps(as_json(requests)), encoding="utf-8")
    code = _WITHOUT_TRAINING.format(script=str(life.bundle.folder / "predict.py"), rows=str(tmp_path / "rows.json"))
    command = [sys.executable, "-I", "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert said.returncode == 0, said.stderr
    answers = json.loads(said.stdout)
    for ours, theirs in zip(answers, as_json(life.load(None).predict(requests)), strict=True):
        assert_alike(ours, theirs)


def taught(life: Life, folder: Path) -> list[str]:
    """[request, truth] of the rows of the lap, as JSON."""
    table, found = Table.open(folder), []
    for split in ("train", "held"):
        columns = table.columns(split)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        for row, origin in zip(rows, table.origin[table.splits == SPLITS.index(split)], strict=True):
            request = {name: as_json(row[name]) for name in life.bundle.signature}
            truth = as_json(life.task.truth(row, life.run.recipe))
            found += [json.dumps([request, truth], sort_keys=True)] * int(origin == 1)
    return found


@pytest.mark.promise("feedback → retrain → promote")
def test_feedback_retrain_promote(life: Life, tmp_path: Path) -> None:
    """Answers are corrected, a lap is trained from the champion, and a paired test decides; one version serves."""
    home = life.copy(tmp_path / "home")
    # Nothing is judged on what it learnt: of test rows only those held back stay, of training rows only the others.
    splits = ("test", "train")
    rows = [row for split in splits for row in life.rows(split, MOST)]
    answers = life.bundle.predict([request for split in splits for request in life.requests(split, MOST)])
    corrected = []
    with Store.open(home) as store:
        for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
            request = {name: as_json(row[name]) for name in life.bundle.signature}
            correction = as_json(life.task.truth(row, life.run.recipe))
            corrected.append(json.dumps([request, correction], sort_keys=True))
            entry = {"id": f"answer-{number}", "name": NAME, "version": 1, "row": request, "answer": as_json(answer)}
            assert store.add_feedback(**entry, correction=correction)
    told = lifecycle.improve(NAME, home=home)
    assert told["decision"] in ("promote", "keep")
    assert told["reason"]
    assert told["answers"] == len(rows)
    name, number, folder = lifecycle.find(told["challenger"], home)
    challenger = lifecycle.stage_folders(folder)
    origin = np.load(challenger["data"] / "origin.npy")
    brought = manifest.read(challenger["data"])
    assert brought is not None
    equal = brought.facts["left_out_equal_to_judged"]
    assert (origin == 1).sum() == len(rows) - len(told["left_out"]) - equal
    splits_of_lap = np.load(challenger["data"] / "splits.npy")[origin == 1]
    assert {SPLITS[number] for number in splits_of_lap} == {"train", "held"}
    assert set(taught(life, challenger["data"])) <= set(corrected)
    made = manifest.read(challenger["training"])
    assert made is not None and made.parent
    versions = lifecycle.call("improvement", "versions", home, NAME)
    assert [version["champion"] for version in versions].count(True) == 1
    assert lifecycle.call("improvement", "champion", home, name) == (number if told["decision"] == "promote" else 1)
    assert lifecycle.load(told["challenger"], home=home).predict(life.requests("test", 2))


@pytest.mark.promise("two processes")
def test_two_processes(life: Life, tmp_path: Path) -> None:
    """Two processes learn what one does: the same losses to 1e-6, and weights to what rounding makes of that.

    What makes rows depend on others, or on the process that drew, is switched off: batch norm and dropout.
    """
    recipe = life.run.recipe
    family = discover.find("models", str(recipe.model.name)).MODEL
    keys = {field.name for field in dataclasses.fields(family) if field.default not in ("layer", "rms")}
    off = {key: value for key, value in {"dropout": 0.0, "token_dropout": 0.0, "norm": "group"}.items() if key in keys}
    made = {}
    for processes in (1, 2):
        train = {**recipe.train.model_dump(), "epochs": 2, "processes": processes}
        alike = recipe.but(model={**recipe.model.model_dump(), **off}, train=train)
        folder = life.copy(tmp_path / str(processes)) / NAME / "together"
        given = lifecycle.Given(base=tmp_path, say=Quiet())
        made[processes] = lifecycle.make_stages(alike, STAGES[:2], folder, given)[0]["training"]
    told = manifest.read(made[2])
    assert told is not None and told.facts["processes"] == 2
    curves = [json.loads((made[number] / "curves.json").read_text(encoding="utf-8")) for number in (1, 2)]
    for one, two in zip(*curves, strict=True):
        for loss in ("loss", "validation_loss") if life.task.early_stop else ("loss",):
            assert two[loss] == pytest.approx(one[loss], rel=1e-6, abs=1e-6)
    one, two = (load_file(made[number] / "weights.safetensors") for number in (1, 2))
    for name, weight in one.items():
        assert np.abs(weight - two[name]).max() < 1e-4, name


def assert_alike(ours: Any, theirs: Any, where: str = "answer") -> None:
    """Equal, but for rounding: two libraries sum float32 in different orders (relative 1e-3, absolute 1e-4).

    Pictures (base64 of PNG) may differ by one grey level.
    """
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs), where
        for key, value in theirs.items():
            assert_alike(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for number, value in enumerate(theirs):
            assert_alike(ours[number], value, f"{where}[{number}]")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4), where
    elif isinstance(theirs, str) and theirs.startswith("iVBORw0KGgo"):
        assert np.abs(_pixels(ours) - _pixels(theirs)).max() <= 1, where
    else:
        assert ours == theirs, where


def _pixels(picture: str) -> np.ndarray:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        return np.asarray(image).astype(int)


class _TrainingIsOver(Exception):
    """Raised at the first sign of the next stage."""


class _StopInTheMiddle:
    """A Say that presses Ctrl-C once training has come far enough. after: in drawings of epoch 2 or later."""

    def __init__(self, after: int = 1) -> None:
        self.after, self.first_epoch = after, 0

    def line(self, text: str) -> None:
        """Drop it."""

    def progress(self, stage: str, **fields: Any) -> None:
        """Count, and stop."""
        if stage == "evaluation":
            raise _TrainingIsOver
        if stage != "train":
            return
        self.first_epoch = self.first_epoch or fields["epoch"]
        self.after -= fields["epoch"] > 1
        if self.after == 0:
            signal.raise_signal(signal.SIGINT)


_WITHOUT_TRAINING = """
import runpy, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "datasets", "pyarrow", "sklearn", "onnx", "pandas", "scipy"):
            raise ImportError(f"{{name}} must not be needed to answer")

sys.meta_path.insert(0, Forbidden())
sys.argv = [{script!r}, {rows!r}]
runpy.run_path({script!r}, run_name="__main__")
"""
