"""Verbs that begin: demo, init, check, run, recipes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.cli import thresholds
from feilun.cli.record import Context, Result, Verb, argument
from feilun.cli.words import tell
from feilun.core.errors import InputError

if TYPE_CHECKING:
    from feilun.lifecycle import Run

RECIPE_SUFFIXES = (".yaml", ".yml")


def demo(context: Context, *, seed: int = 0, laps: int = 3) -> Result:
    """From clean digits to a model that its users made better."""
    from feilun.cli import demo as show

    return show.demo(context, seed=seed, laps=laps)


def init(
    context: Context,
    data: str,
    *,
    target: Sequence[str] | None = None,
    task: str | None = None,
    output: str | None = None,
) -> Result:
    """Look at the data and write a recipe."""
    from feilun.cli import writing

    path = Path(output or f"{_stem(data)}.yaml")
    _refuse_overwriting(path, context)
    drafted = writing.draft(data, target=target, task=task, name=path.stem, base=path.resolve().parent)
    for line in [writing.opening(drafted, context.lang), *writing.findings(drafted, context.lang)]:
        context.say.line(line)
    text = writing.text(drafted)
    if not context.dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        _ignore_runs(path.parent, context.home)
    wrote = text if context.dry_run else tell(context.lang, "wrote {path}", path=path) + "."
    value = {"path": str(path), "recipe": drafted.recipe.model_dump(mode="json"), "columns": drafted.columns}
    return Result(value=value, text=wrote, name=path.stem, next="" if context.dry_run else f"feilun check {path}")


def check(context: Context, recipe: str, *, settings: Sequence[str] | None = None) -> Result:
    """Read recipe and data, find what would go wrong, say what a run will take, train nothing."""
    from feilun.cli import checking

    return checking.check(context, recipe_file(recipe) or Path(recipe), settings or (), recipe)


def run(
    context: Context,
    what: str,
    *,
    target: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
    fail_under: Sequence[str] | None = None,
) -> Result:
    """Train, score, pack; skip what is made, go on where it was interrupted."""
    from feilun import lifecycle
    from feilun.core import reading

    wanted = thresholds.parsed(fail_under)
    path = recipe_file(what)
    if path is None:
        path = Path(f"{_stem(what)}.yaml")
        _refuse_overwriting(path, context, f"Type `feilun run {path}` for it, ")
        context.say.line(init(context, what, target=target).text)
    elif target:
        raise InputError(
            f"--target goes with data; {path.name} is a recipe and names its target itself. "
            f"Write `--set target={target[0]}` to change it.",
            where="--target",
            got=target[0],
        )
    recipe = reading.read_recipe(path, settings or ())
    thresholds.early(wanted, recipe)
    finished = lifecycle.run_recipe(recipe, home=context.home, base=path.resolve().parent, say=context.say)
    return _finished(context, finished, wanted)


def recipes(context: Context, recipe: str | None = None) -> Result:
    """List the ready-made recipes, or copy one here."""
    there = {
        folder.parent.name: folder.parent for place in _shelves() for folder in sorted(place.glob("*/recipe.yaml"))
    }
    if recipe is None:
        first = {name: _title(folder) for name, folder in sorted(there.items())}
        lines = [f"{name:22} {title}" for name, title in first.items()]
        text = "\n".join(lines) or tell(context.lang, "nothing here yet")
        return Result(value=first, text=text, next="")
    if recipe not in there:
        raise InputError(
            f"There is no recipe called {recipe!r}. There are: {', '.join(sorted(there)) or 'none here'}.", got=recipe
        )
    path = Path(f"{recipe}.yaml")
    _refuse_overwriting(path, context)
    if not context.dry_run:
        shutil.copyfile(there[recipe] / "recipe.yaml", path)
    what = tell(context.lang, "wrote {path}", path=path) + "."
    would = tell(context.lang, "Would {what}. Nothing was changed (--dry-run).", what=f"write {path}")
    text = would if context.dry_run else what
    return Result(value={"path": str(path)}, text=text, name=recipe, next=f"feilun check {path}")


def _finished(context: Context, run: Run, wanted: thresholds.Wanted) -> Result:
    from feilun import lifecycle
    from feilun.lifecycle import STAGES

    made = run.made("evaluation")
    main = str(made.facts.get("main") or next(iter(made.scores), ""))
    if len(run.skipped) == len(STAGES):
        context.say.line(tell(context.lang, "nothing had changed; this is {version}", version=run.version))
    elif context.verbose and run.skipped:
        context.say.line(f"unchanged, so not made again: {', '.join(run.skipped)}")
    if run.recipe.train.profile and "training" in run.skipped:
        context.say.line(tell(context.lang, "training was there already, so nothing was profiled"))
    thresholds.require(wanted, made.scores, main, run.version)
    report = relative(run.folder / "report.html")
    value: dict[str, Any] = {
        "scores": made.scores,
        "main": main,
        "report": report,
        "skipped": run.skipped,
        "folder": str(run.folder),
    }
    value |= {"curves": str(run.stages["training"]), "profile": run.made("training").facts.get("profile")}
    champion = lifecycle.call("improvement", "champion", context.home, run.name)
    serves = champion in (None, run.number)
    still = "" if serves else "  " + tell(context.lang, "{version} still serves", version=f"{run.name}@{champion}")
    return Result(
        value=value,
        text=f"{run.version}  {report}{still}",
        name=run.name,
        version=run.version,
        run=f"{run.name}/{run.number}",
        next=f"feilun serve {run.name}" if serves else f"feilun promote {run.version}",
    )


def recipe_file(what: str) -> Path | None:
    """The recipe that is meant: `my.yaml`, or `my` where only my.yaml is there; None if it is data."""
    path = Path(what)
    if path.suffix.lower() in RECIPE_SUFFIXES:
        return path
    beside = Path(f"{what}.yaml")
    return beside if not path.exists() and beside.is_file() else None


def relative(path: Path) -> str:
    """As a person would type it from here."""
    here = Path.cwd().resolve()
    whole = path.resolve()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def _stem(data: str) -> str:
    name = data.removeprefix("builtin:") if data.startswith("builtin:") else Path(data).resolve().name
    name = name.partition("?")[0] if "://" in data else name
    return Path(name).stem.replace(" ", "_") or "data"


def _refuse_overwriting(path: Path, context: Context, instead: str = "") -> None:
    if path.exists() and not context.yes and not context.dry_run:
        raise InputError(
            f"{path} is there already. {instead or 'Name another with --output, '}or overwrite it with --yes.",
            where=str(path),
            fix="--yes",
        )


def _ignore_runs(folder: Path, home: Path) -> None:
    """A .gitignore beside the recipe, so that runs are never committed; one that exists is left alone."""
    path = folder / ".gitignore"
    if not path.exists():
        path.write_text(f"{home.name}/\n", encoding="utf-8", newline="\n")


def _shelves() -> list[Path]:
    """Where recipes lie: here, and in the checkout this is installed from."""
    return [place for place in (Path(__file__).resolve().parents[3] / "recipes", Path("recipes")) if place.is_dir()]


def _title(folder: Path) -> str:
    """The first sentence of a recipe's README."""
    readme = folder / "README.md"
    parts = readme.read_text(encoding="utf-8").split("\n\n") if readme.is_file() else []
    first = next((" ".join(part.split()) for part in parts if part.strip() and not part.startswith("#")), "")
    return re.split(r"(?<=[.?!。])\s", first, maxsplit=1)[0]


SETTINGS = argument(
    "--set",
    dest="settings",
    metavar="KEY=VALUE",
    action="append",
    help="change a recipe key for this time, such as train.epochs=3; may be repeated",
)
_TARGET = argument("--target", metavar="COLUMN", nargs="+", help="the column to predict; several for several labels")
_TRAIN = (  # short forms of --set
    argument(
        "--processes",
        dest="settings",
        metavar="N",
        action="append",
        type="train.processes={}".format,
        help="train in so many processes, each with its part of every batch",
    ),
    argument(
        "--cluster",
        dest="settings",
        metavar="URL",
        action="append",
        type="train.cluster={}".format,
        help="on the machines of a Ray cluster, such as ray://head:10001",
    ),
    argument(
        "--shard",
        dest="settings",
        action="append_const",
        const="train.shard=true",
        help="divide the weights among the processes too, for a network too large for one",
    ),
    argument(
        "--profile",
        dest="settings",
        action="append_const",
        const="train.profile=true",
        help="say where a training step's time goes, and keep a trace",
    ),
)

VERBS = (
    Verb(
        name="demo",
        group="Start",
        summary="three minutes: train, serve, be corrected, get better",
        call=demo,
        arguments=(
            argument("--seed", type=int, default=0, help="another seed, the same story"),
            argument("--laps", type=int, default=3, help="how often to go around the loop"),
        ),
        example="feilun demo",
    ),
    Verb(
        name="init",
        group="Start",
        summary="look at data and write a recipe",
        call=init,
        arguments=(
            argument("data", help="a CSV or Parquet file, a folder of pictures, or builtin:NAME"),
            _TARGET,
            argument("--task", help="what to learn; found out from the target where left out"),
            argument("-o", "--output", metavar="FILE", help="where to write; default: the data's name with .yaml"),
        ),
        changes=True,
        example="feilun init my.csv --target churn",
    ),
    Verb(
        name="check",
        group="Start",
        summary="read recipe and data, forecast the run, and train nothing",
        call=check,
        arguments=(argument("recipe", help="a recipe file"), SETTINGS),
        example="feilun check my.yaml",
    ),
    Verb(
        name="run",
        group="Start",
        summary="train, score and pack; goes on where it was interrupted",
        call=run,
        arguments=(
            argument("what", help="my.yaml or my; or data, then with --target (init and run in one)"),
            _TARGET,
            SETTINGS,
            thresholds.FAIL_UNDER,
            *_TRAIN,
        ),
        example="feilun run my.yaml --set train.epochs=3",
    ),
    Verb(
        name="recipes",
        group="Start",
        summary="list ready-made recipes, or copy one here",
        call=recipes,
        arguments=(argument("recipe", nargs="?", help="the one to copy"),),
        changes=True,
        example="feilun recipes mnist",
    ),
)
