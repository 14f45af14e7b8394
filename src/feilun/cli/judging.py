"""Verbs that judge: evaluate (folds, learning curve, thresholds) and compare (two versions on the same rows)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun.cli import starting, thresholds
from feilun.cli.record import Context, Result, Verb, argument
from feilun.core.errors import InputError

FOLDS = 5  # of --label-noise, where --folds says nothing else


def evaluate(
    context: Context,
    recipe: str,
    *,
    folds: int | None = None,
    learning_curve: bool = False,
    label_noise: bool = False,
    settings: Sequence[str] | None = None,
    fail_under: Sequence[str] | None = None,
) -> Result:
    """The scores of a recipe's run, trained first if need be; with folds, a learning curve, doubted labels if asked."""
    from feilun import lifecycle, studies
    from feilun.core import reading

    wanted = thresholds.parsed(fail_under)
    if folds is not None and folds < 2:
        raise InputError(f"--folds {folds}: expected 2 or more, usually 5.", where="--folds", got=str(folds))
    path = starting.recipe_file(recipe)
    if path is None:
        raise InputError(
            f"{recipe} is no recipe file. `feilun evaluate` takes my.yaml (or my, beside it); `feilun show {recipe}` "
            "prints the scores of a version.",
            where=recipe,
            expected="a recipe file",
            fix=f"feilun evaluate {Path(recipe).stem.partition('@')[0]}.yaml",
        )
    base = path.resolve().parent
    read = reading.read_recipe(path, settings or ())
    thresholds.early(wanted, read)
    if label_noise:
        lifecycle.call("evaluation", "check_label_noise", lifecycle.call("data", "resolve", read, base=base))
    run = lifecycle.run_recipe(read, home=context.home, base=base, say=context.say)
    given = lifecycle.Given(base=base, say=context.say)
    made = run.made("evaluation")
    main = str(made.facts["main"])
    value: dict[str, Any] = {"scores": made.scores, "main": main}
    judged, over = made.scores, ""
    thresholds.check(wanted, judged, main, run.version)
    if label_noise:
        lifecycle.call("evaluation", "check_label_noise", run.recipe, run.stages["data"])
    if folds:
        value["folds"] = studies.cross_validate(run, folds, given)
        judged, over = value["folds"]["scores"], f"{folds} folds"
    if learning_curve:
        value["learning"] = studies.learning_curve(run, given)
    if label_noise:
        value["label_noise"] = studies.label_noise(run, folds or FOLDS, given)
        context.say.line(f"  {starting.relative(run.folder / 'label-noise.csv')}")
    if wanted:
        context.say.line(f"--fail-under looks at the scores over {over or 'the test rows'}")
    thresholds.require(wanted, judged, main, run.version, over)
    report = starting.relative(run.folder / "report.html")
    return Result(
        value={**value, "report": report},
        text=f"{run.version}  {report}",
        name=run.name,
        version=run.version,
        run=f"{run.name}/{run.number}",
        next="" if folds or learning_curve or label_noise else f"feilun evaluate {recipe} --folds 5",
    )


def compare(context: Context, first: str, second: str) -> Result:
    """Two versions on the test rows that both answered, with the paired difference and its interval."""
    from feilun import lifecycle

    folders = []
    for thing in (first, second):
        folder = Path(thing) if (Path(thing) / "run.json").is_file() else lifecycle.find(thing, context.home)[2]
        folders.append((folder, lifecycle.stage_folders(folder).get("evaluation")))
    names = [f"{folder.resolve().parent.name}@{folder.name}" for folder, _ in folders]
    for name, (_, evaluation) in zip(names, folders, strict=True):
        if evaluation is None:
            raise InputError(f"{name} has no finished evaluation. Run it again.", where=name, got=name)
    found = lifecycle.call("evaluation", "compare", *(evaluation for _, evaluation in folders))
    text = "\n".join([*found.get("lines", ()), *found.get("notes", ())])
    named = dict(zip(("first", "second"), names, strict=True))
    text = re.sub(r"\b(first|second)\b", lambda word: named[word[0]], text)  # in one pass: a name may hold the word
    return Result(value={"versions": names, **found}, text=text)


VERBS = (
    Verb(
        name="evaluate",
        group="Look",
        summary="score a recipe; with --folds, --learning-curve or --label-noise in full",
        call=evaluate,
        arguments=(
            argument("recipe", help="my.yaml, or my"),
            argument("--folds", type=int, metavar="K", help="cross-validation: train K times, answer every row once"),
            argument("--learning-curve", action="store_true", help="what more rows would bring"),
            argument("--label-noise", action="store_true", help="rows whose label looks wrong, by cross-validation"),
            starting.SETTINGS,
            thresholds.FAIL_UNDER,
        ),
        example="feilun evaluate my.yaml --folds 5",
    ),
    Verb(
        name="compare",
        group="Look",
        summary="two versions on the same test rows, with the paired difference",
        call=compare,
        arguments=(argument("first", help="my@3, a run folder"), argument("second", help="my@4")),
        example="feilun compare my@1 my@2",
    ),
)
