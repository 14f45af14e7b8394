"""The loop: one tuple of stages, each skipped when nothing it used has changed, resumed when it was interrupted.

Start reading here. A *run* is a folder `<home>/<name>/<number>/` with one folder per stage; its number is the version.
A finished stage has a manifest, written last. Its key is the hash of everything the result depends on; a stage whose
key is already made, in this run or an earlier one of the same name, is not made again but pointed to.
"""

from __future__ import annotations

import difflib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from feilun.core import discover, manifest, progress, reading, sources
from feilun.core.errors import InputError
from feilun.core.manifest import Manifest
from feilun.core.protocols import Say
from feilun.core.recipe import Data, Recipe
from feilun.core.work import Made, Work

STAGES = ("data", "training", "evaluation", "optimization", "deployment")  # then improvement, and data again
LIBRARIES = ("numpy", "torch", "datasets", "tokenizers", "pillow", "scikit-learn", "onnxruntime")


def call(stage: str, verb: str, *args: Any, **options: Any) -> Any:
    """A verb of a stage, by name."""
    return discover.stage_verb(stage, verb)(*args, **options)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lap:
    """Where a run starts when it is a lap of the loop: the champion's run folder and the folder of new rows."""

    parent: Path
    rows: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A finished run: `name@number` in a folder, with the folder and manifest of every stage."""

    name: str
    number: int
    folder: Path
    recipe: Recipe
    stages: Mapping[str, Path]
    skipped: tuple[str, ...]
    seconds: float

    @property
    def version(self) -> str:
        """Such as `my@3`."""
        return f"{self.name}@{self.number}"

    def made(self, stage: str) -> Manifest:
        """What this stage made."""
        found = manifest.read(self.stages[stage])
        if found is None:
            raise InputError(f"{self.version} has no finished {stage}. Run it again.", where=self.version)
        return found


def run(
    what: Any,
    *,
    target: str | list[str] | None = None,
    name: str | None = None,
    home: str | Path = "runs",
    say: Say | None = None,
    **changes: Any,
) -> Run:
    """Take a recipe or a table through every stage, from Python.

    what: a Recipe, a path to a recipe (.yaml) or to data, or a pandas or Arrow table.  changes: recipe keys with
    dots as double underscores (`train__epochs=3`).  The result holds the scores; `feilun.load(run.version)` answers.
    """
    base, frame = Path.cwd(), None
    if isinstance(what, Recipe):
        recipe = what
    elif isinstance(what, str | Path) and Path(what).suffix in (".yaml", ".yml"):
        recipe, base = reading.read_recipe(Path(what)), Path(what).resolve().parent
    elif isinstance(what, str | Path):
        recipe = Recipe(data=Data(source=str(what)))
    else:
        recipe, frame = Recipe(name=name or "table"), what
    given = {"target": target, "name": name}
    settings = {key.replace("__", "."): value for key, value in changes.items()}
    recipe = reading.make_recipe(
        recipe.with_settings({**{key: value for key, value in given.items() if value is not None}, **settings})
    )
    return run_recipe(recipe, home=Path(home), base=base, say=say, frame=frame)


def improve(name: str, *, home: str | Path = "runs", say: Say | None = None) -> dict[str, Any]:
    """One lap: feedback, new data version, retraining from the champion, a paired test, promote or keep.

    Returns the decision with its reason and evidence, the number of answers used, and the challenger's version.
    """
    home = Path(home).resolve()
    name, number, parent = find(name, home)
    collected = call("improvement", "collect", home, name, lambda at: run_folder(home, name, at))
    recipe = Recipe.model_validate(manifest.read_json(parent / "run.json")["recipe"])
    lap = Lap(parent=parent, rows=collected["rows"])
    challenger = run_recipe(recipe, home=home, base=parent, say=say, lap=lap)
    decision = call("improvement", "decide", home, name, challenger.number, lambda at: run_folder(home, name, at))
    versions = {"champion": f"{name}@{number}", "challenger": challenger.version}
    return {**decision, **versions, **collected, "run": challenger}


def load(thing: str | Path, *, home: str | Path = "runs") -> Any:
    """The bundle of `my` (its champion), `my@3` or a path, every hash verified. Its `.predict(rows)` answers."""
    return call("deployment", "load", bundle_folder(thing, Path(home)))


def bundle_folder(thing: str | Path, home: Path) -> Path:
    """Where the bundle of a version lies; a path to a bundle, a run or a deployment folder is taken as it is."""
    for folder in (Path(thing), Path(thing) / "bundle", Path(thing) / "deployment" / "bundle"):
        if (folder / "predict.py").is_file():
            return folder
    return find(str(thing), home)[2] / "deployment" / "bundle"


def find(thing: str, home: Path) -> tuple[str, int, Path]:
    """(name, number, run folder) of `my` (its champion) or `my@3`. Raises InputError with the nearest name."""
    name, _, number = thing.partition("@")
    if not (home / name).is_dir():
        there = sorted(path.name for path in home.glob("*") if path.is_dir())
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`feilun runs` lists what there is."
        raise InputError(f"There is no {name!r} in {home}. {hint}", where=str(home), got=thing, fix=hint)
    at: Any = number or call("improvement", "champion", home, name)
    if at is None or not str(at).isdigit() or not run_folder(home, name, int(at)).is_dir():
        known = ", ".join(f"{name}@{row['number']}" for row in call("improvement", "versions", home, name))
        raise InputError(f"There is no version {thing!r}. There are: {known or 'none yet; run it first'}.", got=thing)
    return name, int(at), run_folder(home, name, int(at))


def run_folder(home: Path, name: str, number: int) -> Path:
    """The folder of a version."""
    return home / name / str(number)


def stage_folders(folder: Path) -> dict[str, Path]:
    """{stage: folder} of a run; a stage that was not made again lies in the run that made it."""
    return {stage: folder.parent / place for stage, place in manifest.read_json(folder / "run.json")["stages"].items()}


def run_recipe(
    recipe: Recipe,
    *,
    home: Path,
    base: Path,
    say: Say | None = None,
    lap: Lap | None = None,
    frame: Any = None,
) -> Run:
    """Take a recipe through every stage; skip what is made, resume what was interrupted, register the version."""
    say = say or progress.Quiet()
    started = time.monotonic()
    home = home.resolve()
    recipe = recipe if lap else call("data", "resolve", recipe, base=base, frame=frame)
    name = str(recipe.name)
    with progress.locked(home / name):
        folder = _folder(home / name, recipe, lap)
        made: dict[str, Path] = {}
        skipped: list[str] = []
        for stage in STAGES:
            job = _Job(recipe=recipe, stage=stage, run=folder, before=dict(made), base=base, lap=lap, frame=frame)
            made[stage], was_there = _stage(job, say)
            skipped += [stage] if was_there else []
            _record(folder, recipe, lap, made)
        folder = _settle(folder, recipe, lap, made)
        run = Run(
            name=name,
            number=int(folder.name),
            folder=folder,
            recipe=recipe,
            stages=made,
            skipped=tuple(skipped),
            seconds=time.monotonic() - started,
        )
        call("evaluation", "report", run.folder, made, recipe)
        call("improvement", "register", home, name, run.number, made["deployment"], lap=lap is not None)
    return run


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    recipe: Recipe
    stage: str
    run: Path
    before: dict[str, Path]
    base: Path
    lap: Lap | None
    frame: Any


def _stage(job: _Job, say: Say) -> tuple[Path, bool]:
    """The folder of the finished stage, and whether it was there before."""
    key, facts = _key(job)
    for candidate in sorted(job.run.parent.glob(f"*/{job.stage}")):
        found = manifest.read(candidate)
        if found is not None and found.key == key:
            manifest.verify(candidate, found.files)
            return candidate, True
    folder = job.run / job.stage
    _prepare(folder, key)
    started = time.monotonic()
    work = Work(
        recipe=job.recipe,
        task=discover.task(str(job.recipe.task)),
        folder=folder,
        before=job.before,
        say=say,
        base=job.base,
        version=int(job.run.name),
        parent=job.lap.parent if job.lap else None,
        lap=job.lap.rows if job.lap else None,
        frame=job.frame,
    )
    made: Made = call(job.stage, "make", work)
    (folder / "key").unlink()
    finished = Manifest(
        kind=job.stage,
        key=key,
        **facts,
        files=manifest.hash_files(folder),
        parent=str(job.lap.parent) if job.lap else "",
        scores=made.scores,
        facts=made.facts,
        seconds=round(time.monotonic() - started, 3),
        peak_memory_mb=progress.peak_memory_mb(),
    )
    manifest.write(folder, finished)
    return folder, False


def _key(job: _Job) -> tuple[str, dict[str, Any]]:
    """The hash of everything a stage's result depends on, and its parts for the manifest.

    A stage says in its verbs module what it uses: USES (recipe keys), CODE (rooms whose every file may be called by
    name), and `depends(recipe, base, lap, frame)` for what lies outside: the hash of source files.
    """
    inputs = {stage: _key_of(folder) for stage, folder in job.before.items()}
    modules = [f"feilun.stages.{job.stage}.verbs", discover.module_name("tasks", str(job.recipe.task))]
    for room in discover.stage_value(job.stage, "CODE", ()):
        modules += discover.names(room).values()
    facts = {
        "inputs": inputs,
        "recipe": job.recipe.part(*discover.stage_value(job.stage, "USES", ())),
        "code": sources.code_hash(modules),
        "versions": {library: _version(library) for library in LIBRARIES},
    }
    depends = discover.stage_value(job.stage, "depends")
    outside = depends(job.recipe, job.base, job.lap.rows if job.lap else None, job.frame) if depends else ""
    start = _key_of(stage_folders(job.lap.parent)["deployment"]) if job.lap else ""
    return manifest.hash_json({**facts, "outside": outside, "start": start}), facts


def _key_of(folder: Path) -> str:
    found = manifest.read(folder)
    return found.key if found else ""


def _folder(parent: Path, recipe: Recipe, lap: Lap | None) -> Path:
    """The last run, if it has this recipe and was interrupted; else the next number."""
    numbers = sorted(int(path.name) for path in parent.glob("*") if path.name.isdigit())
    last = parent / str(numbers[-1]) if numbers else None
    if last is not None and _recorded(last, finished=False) == _identity(recipe, lap):
        return last
    folder = parent / str(numbers[-1] + 1 if numbers else 1)
    folder.mkdir(parents=True)
    _record(folder, recipe, lap, {})
    return folder


def _settle(folder: Path, recipe: Recipe, lap: Lap | None, made: Mapping[str, Path]) -> Path:
    """Mark the run finished; if every stage was there before, it is the run that made the last of them."""
    owner = made["deployment"].parent
    if owner != folder:
        shutil.rmtree(folder)
        return owner
    _record(folder, recipe, lap, made, finished=True)
    return folder


def _record(folder: Path, recipe: Recipe, lap: Lap | None, made: Mapping[str, Path], finished: bool = False) -> None:
    """run.json: the resolved recipe and where each stage lies, relative to the folder of all runs of this name."""
    places = {stage: path.relative_to(folder.parent).as_posix() for stage, path in made.items()}
    manifest.write_json(folder / "run.json", {**_identity(recipe, lap), "stages": places, "finished": finished})


def _recorded(folder: Path, *, finished: bool) -> dict[str, Any] | None:
    """What run.json says of recipe and lap, if the run is (un)finished as asked."""
    path = folder / "run.json"
    saved = manifest.read_json(path) if path.is_file() else None
    if saved is None or saved["finished"] is not finished:
        return None
    return {"recipe": saved["recipe"], "lap": saved["lap"]}


def _identity(recipe: Recipe, lap: Lap | None) -> dict[str, Any]:
    return {"recipe": recipe.model_dump(mode="json"), "lap": lap.rows.name if lap else None}


def _prepare(folder: Path, key: str) -> None:
    """An empty folder for this key, or the one an interrupted attempt with the same key left."""
    mark = folder / "key"
    if folder.exists() and (not mark.is_file() or mark.read_text() != key):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(mark, key.encode())


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
