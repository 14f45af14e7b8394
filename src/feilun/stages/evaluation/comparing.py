"""Finished evaluations side by side: two on the rows that both answered, and the folds of a cross-validation as one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core import discover, manifest
from feilun.core.errors import DataError, InputError
from feilun.core.recipe import Recipe
from feilun.parts.metrics.intervals import of_all
from feilun.parts.metrics.resampling import Draw
from feilun.parts.metrics.wording import full, shown, title
from feilun.stages.evaluation import business, choosing, judging

if TYPE_CHECKING:
    from feilun.core.task import Score

FILE = "answers.jsonl"
Line = Mapping[str, Any]


def compare(first: Path, second: Path) -> dict[str, Any]:
    """{main, n, scores: {name: {first, second, difference: {difference, low, high, words, ...}}}, words, notes, lines}.

    Only rows that tested both count: one that tests the first and taught the second has no answer of the second.
    The difference is the second less the first, on the same resampled rows. Raises InputError if the two answered no
    row in common or are of different tasks.
    """
    both = lines_of(first), lines_of(second)
    recipe, other = _recipe(first), _recipe(second)
    ids = [{str(line["id"]): line for line in lines} for lines in both]
    common = [name for name in ids[0] if name in ids[1]]
    if not common or recipe.task != other.task:
        raise _apart(first, second, recipe, other)
    pairs = [(ids[0][name], ids[1][name]) for name in common]
    changed = sum(one["truth"] != two["truth"] for one, two in pairs)
    kept = [pair for pair in pairs if pair[0]["truth"] == pair[1]["truth"]] or pairs
    task = discover.task(str(recipe.task))
    truths = [one["truth"] for one, _ in kept]
    scores = [task.scores([pair[side]["answer"] for pair in kept], truths, recipe) for side in (0, 1)]
    draw = _draw(recipe, [one for one, _ in kept])
    main = judging.main_score(scores[0], recipe)
    table = {name: _beside(scores[0][name], scores[1][name], draw) for name in scores[0] if name in scores[1]}
    table |= _own(recipe, kept, truths, draw)
    notes = _notes(len(common), [len(found) for found in ids], changed)
    words = _words(main, table[main], len(kept))
    return {
        "main": main,
        "n": len(kept),
        "resampled": "groups" if draw.groups is not None else "rows",
        "scores": table,
        "words": words,
        "notes": notes,
        "lines": [f"{title(main)}, {len(kept):,} test rows that both answered", *_rows(table, main), f"  {words}"],
    }


def pool(recipe: Recipe, evaluations: Sequence[Path | Mapping[str, Path]]) -> dict[str, Any]:
    """folds.json: {score, better, unit, n, value, low, high, scores: {name: {...}}, folds: [{fold, n, value}],
    baselines: {name: {...}}, against: {name: {...}}}.

    The scores are those of all answers together, not the mean of the folds'; the interval is over all rows. recipe: as
    asked; with `model: auto` a fold also has the model that it chose.
    Raises DataError if a row was answered by two folds.
    """
    folders = [Path(one["evaluation"]) if isinstance(one, Mapping) else Path(one) for one in evaluations]
    parts = [lines_of(folder) for folder in folders]
    lines = [line for part in parts for line in part]
    ids = [str(line["id"]) for line in lines]
    if len(set(ids)) < len(ids):
        raise DataError(
            f"{len(ids) - len(set(ids)):,} rows were tested in two folds; each belongs to one. Deal the folds anew.",
            where="data.split.folds",
            expected="every row in one fold",
            got=f"{len(ids):,} answers to {len(set(ids)):,} rows",
            fix="delete the folds' folders and run again",
        )
    draw = _draw(recipe, lines, [place for place, part in enumerate(parts) for _ in part])
    truths = [line["truth"] for line in lines]
    task = discover.task(str(recipe.task))
    made = task.scores([line["answer"] for line in lines], truths, recipe)
    main = judging.main_score(made, recipe)
    names = [name for name in lines[0].get("baselines", {}) if all(name in line["baselines"] for line in lines)]
    beside = {name: [line["baselines"][name] for line in lines] for name in names}
    scores = judging.described(made, draw, main, judging.BESIDE)
    own, answers = business.kept(recipe, lines), [line["answer"] for line in lines]
    scores |= business.described(own, business.columns(lines), answers, truths, draw)
    return {
        "score": main,
        "n": len(lines),
        **scores[main],
        "scores": scores,
        "folds": [
            {
                "fold": number,
                "n": len(part),
                "value": _alone(task, recipe, part, main),
                **choosing.chosen(recipe, folder),
            }
            for number, (part, folder) in enumerate(zip(parts, folders, strict=True))
        ],
        "baselines": {
            name: _ends(task.scores(answers, truths, recipe)[main], draw) for name, answers in beside.items()
        },
        "against": {
            name: judging.difference(made[main], task.scores(answers, truths, recipe)[main], draw)
            for name, answers in beside.items()
        },
    }


def lines_of(folder: Path) -> list[Line]:
    """What this evaluation answered: {id, answer, truth, ...} of every test row."""
    path = folder / FILE
    if not path.is_file():
        raise InputError(
            f"{path} is missing, so these answers cannot be judged again. Run the recipe again.",
            where=str(path),
            fix="feilun run",
        )
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _recipe(folder: Path) -> Recipe:
    """What the evaluation's manifest kept of the recipe: task, seed, inputs, target, evaluate."""
    found = manifest.read(folder)
    if found is None:
        raise InputError(f"{folder} is no finished evaluation. Run the recipe again.", where=str(folder))
    return Recipe.model_validate(dict(found.recipe))


def _draw(recipe: Recipe, lines: Sequence[Line], folds: Sequence[int] | None = None) -> Draw:
    """Over groups where the answers name them; a group's number counts within its own fold."""
    codes = None
    if lines and all("group" in line for line in lines):
        named = [(place, line["group"]) for place, line in zip(folds or [0] * len(lines), lines, strict=True)]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(named))}
        codes = np.array([numbers[name] for name in named], np.int64)
    return Draw(n=len(lines), seed=recipe.seed, resamples=recipe.evaluate.bootstrap, groups=codes)


def _beside(one: Score, two: Score, draw: Draw) -> dict[str, Any]:
    about = {"better": one.better, "unit": one.unit}
    difference = judging.difference(two, one, draw)
    return {"first": {**_ends(one, draw), **about}, "second": {**_ends(two, draw), **about}, "difference": difference}


def _own(
    recipe: Recipe, pairs: Sequence[tuple[Line, Line]], truths: Sequence[Any], draw: Draw
) -> dict[str, dict[str, Any]]:
    """The first one's business metrics of both, over the same columns."""
    lines = [one for one, _ in pairs]
    own, columns = business.kept(recipe, lines), business.columns(lines)
    one, two = (business.scores(own, columns, [pair[side]["answer"] for pair in pairs], truths) for side in (0, 1))
    return {name: _beside(one[name], two[name], draw) for name in one}


def _ends(score: Score, draw: Draw) -> dict[str, Any]:
    return draw.ends(score) if score.better else business.ends_of(score, draw)


def _alone(task: Any, recipe: Recipe, part: Sequence[Line], main: str) -> float | None:
    """One fold's score; None where its rows have none, such as AUC of a single class."""
    score = task.scores([line["answer"] for line in part], [line["truth"] for line in part], recipe).get(main)
    value = of_all(score, len(part)) if score is not None else float("nan")
    return value if np.isfinite(value) else None


def _words(main: str, row: Mapping[str, Any], count: int) -> str:
    gap = row["difference"]
    unit = judging.points(gap["unit"])
    if gap["words"] == judging.UNKNOWN:
        said = "Which of first and second is better cannot be told from these rows"
    elif gap["words"] == judging.EVEN:
        said = "No clear difference between first and second"
    else:
        ahead, behind = ("second", "first") if gap["words"] == judging.BETTER else ("first", "second")
        said = f"{ahead} is clearly better than {behind}"
    by = f"{shown(gap['difference'], unit, sign=True)} {judging.span(gap)}"
    return f"{said}: {title(main)} {by} from first to second, {count:,} rows."


def _notes(count: int, each: Sequence[int], changed: int) -> list[str]:
    notes = []
    if count < max(each):
        notes.append(
            f"The test rows differ: first answered {each[0]:,}, second {each[1]:,}; judged on {count:,} common ones. "
            "The others taught one of them, or were not among its rows."
        )
    if changed:
        notes.append(f"{changed:,} common rows have another truth now; they are left out.")
    return notes


def _rows(table: Mapping[str, Any], main: str) -> list[str]:
    named = [main, *(name for name in table if name != main)]
    cells = [
        (title(name), full(table[name]["first"]), full(table[name]["second"]), _gap(table[name]["difference"]))
        for name in named
    ]
    cells = [("", "first", "second", "second less first"), *cells]
    wide = [max(len(row[place]) for row in cells) for place in range(3)]
    return [f"  {name:<{wide[0]}}  {one:<{wide[1]}}  {two:<{wide[2]}}  {gap}".rstrip() for name, one, two, gap in cells]


def _gap(gap: Mapping[str, Any]) -> str:
    unit = judging.points(gap["unit"])
    return f"{shown(gap['difference'], unit, sign=True)} {judging.span(gap)}  {gap['words']}"


def _apart(first: Path, second: Path, recipe: Recipe, other: Recipe) -> InputError:
    what = (
        f"one is {recipe.task}, the other {other.task}"
        if recipe.task != other.task
        else "they answered no test row in common: their data, seed, split or inputs differ"
    )
    return InputError(
        f"{first.parent} and {second.parent} cannot be compared: {what}. Compare versions of one data set.",
        where=str(second),
        expected="test rows that both answered",
        got=what,
        fix="run both on the same data and seed, with test rows of their own (data.test) or split by time or group",
    )
