"""Evaluation: settle on validation rows, answer the test rows as in serving, score them beside baselines."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover
from feilun.core.errors import DataError, FeilunError
from feilun.core.manifest import read_json, write_bytes, write_json
from feilun.core.work import Made, Work
from feilun.parts.bundle import state as states
from feilun.parts.bundle.answering import answer_rows, by_row
from feilun.parts.dataset import Table
from feilun.parts.metrics import expression, resampling
from feilun.stages.evaluation import card, cuts, judging, money, possible, slices, why, writing
from feilun.stages.evaluation.asking import Model
from feilun.stages.evaluation.report import inline as _inline
from feilun.stages.evaluation.report import report as _report

if TYPE_CHECKING:
    from torch import nn

    from feilun.core.recipe import Recipe
    from feilun.core.task import Features, Json, Picture, Rows, State

USES = ("task", "seed", "inputs", "target", "model", "evaluate")
CODE = ("features", "models")


def depends(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    """What the documents hold: they are read when answers are settled, so that a new one trains nothing anew."""
    if not recipe.data.documents or lap is not None:
        return ""
    return str(discover.stage_verb("data", "documents_fingerprint")(recipe, base))


def make(work: Work) -> Made:
    """state, answers, scores, pictures, examples and the card. The test rows are read here, once per version."""
    task, recipe = work.task, work.recipe
    table = Table.open(work.before["data"])
    test = table.columns("test")
    rows = by_row(test)
    if not rows:
        raise DataError(
            "There are no test rows, so no score can be believed.",
            where="data.split.test",
            expected="at least one test row",
            got="0",
            fix="raise data.split.test, or give more rows",
        )
    work.say.progress("evaluation", doing="settling on validation rows")
    runner, state, networks = _settled(work, table)
    work.say.progress("evaluation", doing=f"answering {len(rows):,} test rows")
    answers = _plain(answer_rows(task, runner, table.features, state, test, judged=True), "answers")
    truths = _plain([task.truth(row, recipe) for row in rows], "truths")
    train = table.columns("train")
    others, thresholds = _baselines(work, table, test, state)
    work.say.progress("evaluation", doing="drawing intervals")
    found = judging.judge(task, recipe, truths, answers, others, test)
    draw = resampling.drawn(recipe, len(rows), test)
    if "money" in found:
        found["money"]["threshold"] = float(state["thresholds"][0])
        found["money"]["baselines"] = {
            name: {"threshold": cut, "value": found["baselines"][name]["profit"]["value"]}
            for name, cut in thresholds.items()
        }
    own = sorted({column for text in recipe.evaluate.metrics.values() for column in expression.columns(text)})
    writing.answers(work.folder / "answers.jsonl", writing.lines(rows, answers, truths, others, draw, own))
    model = Model(task=task, recipe=recipe, run=runner, features=table.features, state=state, networks=networks)
    work.say.progress("evaluation", doing="asking why")
    seen = why.Seen(rows=test, truths=truths, answers=answers)
    told = why.explained(model, seen, train, found)
    write_json(work.folder / "why.json", told)
    found["slices"] = slices.described(model, seen, draw, found["main"], told["importance"])
    write_json(work.folder / "scores.json", found)
    writing.shown(work.folder, model, seen, train, told["importance"])
    drawn = task.pictures(answers, truths, test, recipe) if task.pictures else []
    write_json(work.folder / "pictures.json", [_picture(picture) for picture in drawn])
    write_bytes(work.folder / card.FILE, card.text(recipe, work.before, found, _lineage(work)).encode())
    for line in judging.table(found, str(recipe.model.name or task.summary)):
        work.say.line(line)
    if "money" in found:
        work.say.line(money.line(found["money"]))
    main = found["main"]
    return Made(
        scores={main: found["scores"][main], **{k: v for k, v in found["scores"].items() if k != main}},
        facts={"main": main, "n": len(rows), "verdict": found["verdict"], "test_rows_read": 1},
    )


def check(recipe: Recipe, data: Path) -> None:
    """Before training. Raises DataError if the test rows of this data folder do not have the score asked for."""
    possible.check(discover.task(str(recipe.task)), recipe, Table.open(Path(data)))


def report(run_folder: Path, stages: Mapping[str, Path], recipe: Recipe) -> Path:
    """report.html of this run, from what its stages left; also the newest in the folder above. Returns its path."""
    return _report(Path(run_folder), stages, recipe)


def inline(run_folder: Path, stages: Mapping[str, Path], recipe: Recipe) -> str:
    """HTML for a notebook: the verdict, the dots and some rows."""
    return _inline(Path(run_folder), stages, recipe)


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Two evaluation folders on the test rows that both answered: every score and the paired difference, in words."""
    from feilun.stages.evaluation import comparing

    return comparing.compare(Path(first), Path(second))


def pool(recipe: Recipe, evaluations: Sequence[Any]) -> dict[str, Any]:
    """folds.json from the evaluation folders of k folds (or their `{stage: folder}`): every row answered once."""
    from feilun.stages.evaluation import comparing

    return comparing.pool(recipe, evaluations)


def check_label_noise(recipe: Recipe, data: Path | None = None) -> None:
    """Raises RecipeError unless every row of this data folder has one label of several; without it by the recipe."""
    from feilun.stages.evaluation import mislabelled

    mislabelled.check(recipe, data and Path(data))


def label_noise(recipe: Recipe, evaluations: Sequence[Mapping[str, Path]]) -> dict[str, Any]:
    """label-noise.json from the stage folders of k folds: the rows whose label a model that never saw them doubts."""
    from feilun.stages.evaluation import comparing, mislabelled

    lines = [line for stages in evaluations for line in comparing.lines_of(Path(stages["evaluation"]))]
    return mislabelled.report(lines, Table.open(Path(evaluations[0]["data"])), recipe)


def spreadsheet(found: Mapping[str, Any]) -> str:
    """The rows of label-noise.json as CSV, for people to correct."""
    from feilun.stages.evaluation import mislabelled

    return mislabelled.spreadsheet(found)


def choose(tried: Sequence[Any], failed: Sequence[Any], stopped: Sequence[Any] = ()) -> dict[str, Any]:
    """Of trained candidates [(recipe, {stage: folder})] the one to keep: auto.json, `chosen` and `lines`."""
    from feilun.stages.evaluation import choosing

    return choosing.choose(tried, failed, stopped)


def learning(recipe: Recipe, points: Sequence[Mapping[str, Path]]) -> dict[str, Any]:
    """learning.json from the stage folders of runs with fewer and more training rows."""
    from feilun.stages.evaluation import learning as curve

    return curve.learning(recipe, points)


def studied(found: Mapping[str, Any]) -> list[str]:
    """folds.json, learning.json or label-noise.json as the lines that the terminal shows."""
    from feilun.stages.evaluation import studied as telling

    return telling.lines(found)


def _settled(work: Work, table: Table) -> tuple[Any, State, Mapping[str, nn.Module]]:
    """The torch runner, the state as it will be read back when serving, and the networks."""
    import numpy as np

    from feilun.parts.engine import trained
    from feilun.parts.engine.runner import TorchRunner

    task, recipe = work.task, work.recipe
    networks = trained.networks(task, recipe, table.features, work.before["training"])
    example = trained.batch(task, recipe, table.arrays, np.asarray(table.index("train")[:2]))
    runner = TorchRunner(task.graphs(networks, example))
    state: State = {}
    if task.settle is not None:
        seen = {split: table.columns(split) for split in ("train", "validation")}
        if recipe.data.documents:
            asked = table.features["passage"].columns[0]
            seen["documents"] = _documents(work, table.columns("test")[asked])
        state = task.settle(runner, seen, table.features, recipe)
    states.save(work.folder, state)
    return runner, states.load(work.folder), networks


def _documents(work: Work, asked: Sequence[Any]) -> Rows:
    """Passages of what `data.documents` names; in a lap those of the champion, wherever they came from."""
    if work.parent is None:
        read: Rows = discover.stage_verb("data", "documents")(work.recipe, work.base, work.say, asked)
        return read
    stages = read_json(work.parent / "run.json")["stages"]
    kept: Rows = states.load(work.parent.parent / stages["evaluation"])["documents"]
    return kept


def _baselines(work: Work, table: Table, test: Rows, state: State) -> tuple[dict[str, list[Json]], dict[str, float]]:
    """({baseline: answers to the test rows}, {baseline: its threshold, where two classes settled one}).

    Fitted on training rows; the columns they must not see are taken out.
    """
    work.say.progress("evaluation", doing="fitting baselines")
    recipe = work.recipe
    given: dict[str, list[Json]] = {}
    thresholds: dict[str, float] = {}
    is_cut = "positive" in state and "thresholds" in state
    seen = table.columns("validation") if is_cut else {}
    truths = [work.task.truth(row, recipe) for row in by_row(seen)]
    for name, answer in work.task.baselines(table.columns("train"), recipe).items():
        answers = answer(_inputs(work, table.features, test))
        if is_cut:
            labels = state["labels"]
            positive = labels[state["positive"]]
            before = answer(_inputs(work, table.features, seen)) if truths else []
            thresholds[name] = cuts.threshold(recipe, before, truths, positive)
            answers = cuts.decided(answers, labels, positive, thresholds[name])
        given[name] = _plain(answers, f"answers of {name}")
        if len(given[name]) != len(next(iter(test.values()))):
            raise FeilunError(f"Baseline {name!r} gave {len(given[name])} answers; there is one test row each.")
    return given, thresholds


def _inputs(work: Work, features: Features, rows: Rows) -> Rows:
    """What may be seen when answering: every column but those that only targets read."""
    if work.task.foretell is not None:
        return rows
    targets = {column for name in work.task.targets if name in features for column in features[name].columns}
    seen = {c for name, f in features.items() if name not in work.task.targets for c in f.columns}
    return {column: values for column, values in rows.items() if column not in targets - seen}


def _plain(values: Sequence[Json], what: str) -> list[Json]:
    """As they will read from the file. Raises FeilunError if a value is not JSON, such as NaN."""
    try:
        return [json.loads(json.dumps(value, allow_nan=False)) for value in values]
    except (TypeError, ValueError) as error:
        raise FeilunError(f"The task's {what} are not JSON: {error}.") from error


def _picture(picture: Picture) -> dict[str, Any]:
    png = base64.b64encode(picture.png).decode()
    return {"title": picture.title, "where": picture.where.lower(), "svg": picture.svg, "png": png} | {
        "caption": picture.caption
    }


def _lineage(work: Work) -> dict[str, Any]:
    """Where this version comes from, for the card."""
    parent = f"{work.parent.parent.name}@{work.parent.name}" if work.parent else ""
    return {"version": work.version, "parent": parent, "lap": work.lap.name if work.lap else ""}
