"""The loop: one tuple of stages, each skipped when nothing it used has changed, resumed when it was interrupted.

Start reading here. A *run* is a folder `<home>/<name>/<number>/` with one folder per stage; its number is the version.
A finished stage has a manifest, written last. Its key is the hash of everything the result depends on; a stage whose
key is already made, in this run or an earlier one of the same name, is not made again but pointed to.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from feilun import __version__
from feilun.core import discover, manifest, notebook, progress, reading, runs, sources
from feilun.core.errors import InputError
from feilun.core.manifest import Manifest
from feilun.core.protocols import Say
from feilun.core.recipe import AUTO, Data, Recipe
from feilun.core.runs import run_folder as run_folder
from feilun.core.runs import stage_folders as stage_folders
from feilun.core.work import Made, Watch, Work

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
    asked: Recipe  # the recipe before `model: auto` became the model that was chosen
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

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, the dots and some rows."""
        return str(call("evaluation", "inline", self.folder, self.stages, self.recipe))


def run(
    what: Any,
    *,
    target: str | list[str] | None = None,
    name: str | None = None,
    model: Any = None,
    home: str | Path | None = None,
    say: Say | None = None,
    **changes: Any,
) -> Run:
    """Take a recipe or a table through every stage, from Python.

    what: a Recipe, a path to a recipe (.yaml) or to data, or a pandas or Arrow table.  changes: recipe keys with
    dots as double underscores (`train__epochs=3`).  model: a name, or your own nn.Module.  home: where runs are kept;
    FEILUN_HOME, else ./runs, if left out.  The result holds the scores; `feilun.load(run.version)` answers.
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
    named = model is None or isinstance(model, str | Mapping)
    given = {"target": target, "name": name, "model": model if named else "own"}
    settings = {key.replace("__", "."): value for key, value in changes.items()}
    recipe = reading.make_recipe(
        recipe.with_settings({**{key: value for key, value in given.items() if value is not None}, **settings})
    )
    return run_recipe(
        recipe, home=runs.home(home), base=base, say=say or notebook.say(), frame=frame, model=None if named else model
    )


def improve(name: str, *, home: str | Path | None = None, say: Say | None = None, model: Any = None) -> dict[str, Any]:
    """One lap: feedback, new data version, retraining from the champion, a paired test, promote or keep.

    model: the nn.Module again, if the first run was given one from Python.  home: as for `run`.
    Returns the decision with its reason and evidence, the number of answers used, and the challenger's version.
    """
    home = runs.home(home).resolve()
    name, number, parent = find(name, home)
    collected = call("improvement", "collect", home, name, lambda at: run_folder(home, name, at))
    recipe = Recipe.model_validate(manifest.read_json(parent / "run.json")["recipe"])
    lap = Lap(parent=parent, rows=collected["rows"])
    challenger = run_recipe(recipe, home=home, base=parent, say=say, lap=lap, model=model)
    decision = call("improvement", "decide", home, name, challenger.number, lambda at: run_folder(home, name, at))
    found = {**decision, "champion": f"{name}@{number}", "challenger": challenger.version}
    return {**found, **collected, "run": challenger}


def load(thing: str | Path, *, home: str | Path | None = None) -> Any:
    """The bundle of `my` (its champion), `my@3` or a path, hashes verified; it can `predict`. home: as for `run`."""
    return call("deployment", "load", bundle_folder(thing, runs.home(home)))


def bundle_folder(thing: str | Path, home: Path, base: Path = Path()) -> Path:
    """Where the bundle of a version lies; a path to a bundle, a run or a deployment folder is taken as it is."""
    for folder in (base / thing, base / thing / "bundle", base / thing / "deployment" / "bundle"):
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


def run_recipe(
    recipe: Recipe,
    *,
    home: Path,
    base: Path,
    say: Say | None = None,
    lap: Lap | None = None,
    frame: Any = None,
    model: Any = None,
) -> Run:
    """Take a recipe through every stage; skip what is made, resume what was interrupted, register the version.

    frame: a table from Python instead of `data.source`.  model: an nn.Module from Python instead of a name.
    """
    started = time.monotonic()
    home = home.resolve()
    recipe = recipe if lap else call("data", "resolve", recipe, base=base, frame=frame)
    name = str(recipe.name)
    given = Given(base=base, lap=lap, frame=frame, model=model, say=say or progress.Quiet())
    mark = lap.rows.name if lap else None
    with progress.locked(home / name), own_network(recipe, home / name, base, model) as recipe:
        recipe = with_weights(recipe, home, base)
        asked, tried = recipe, dict[str, Any]()
        if recipe.model.name == AUTO:
            recipe, tried = choose(recipe, home / name, given)
        folder = runs.find_or_begin(home / name, recipe, mark)
        if tried:
            manifest.write_json(folder / "auto.json", tried)
        made, skipped = make_stages(recipe, STAGES, folder, given)
        folder = runs.settle(folder, recipe, mark, made)
        recipe = runs.settled(recipe, made["training"])
        run = Run(
            name=name,
            number=int(folder.name),
            folder=folder,
            recipe=recipe,
            asked=asked,
            stages=made,
            skipped=skipped,
            seconds=time.monotonic() - started,
        )
        call("evaluation", "report", run.folder, made, recipe)
        call("improvement", "register", home, name, run.number, made["deployment"], lap=lap is not None)
    return run


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a run is given besides its recipe."""

    base: Path
    say: Say
    lap: Lap | None = None
    frame: Any = None  # a table from Python
    model: Any = None  # an nn.Module from Python
    watch: Watch | None = None  # of a trial


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    recipe: Recipe
    stage: str
    run: Path
    before: dict[str, Path]
    given: Given


def make_stages(
    recipe: Recipe, names: Sequence[str], folder: Path, given: Given
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """({stage: its folder}, those that were there before): the first stages of the loop, made in this folder."""
    made: dict[str, Path] = {}
    skipped: list[str] = []
    whole = recipe
    call("training", "check", recipe)
    for stage in names:
        if stage == "training":
            call("evaluation", "check", recipe, made["data"])
        made[stage], was_there = _stage(_Job(recipe=whole, stage=stage, run=folder, before=dict(made), given=given))
        if stage == "training":
            whole = runs.settled(recipe, made[stage])
        skipped += [stage] if was_there else []
        if folder.name.isdigit():  # a trial is no run
            runs.record(folder, recipe, given.lap.rows.name if given.lap else None, made)
    return made, tuple(skipped)


def choose(recipe: Recipe, parent: Path, given: Given) -> tuple[Recipe, dict[str, Any]]:
    """`model: auto`: a few models and rates raced, the one kept that is best on validation rows, and the table of all.

    A candidate that fails is listed with its reason; only if all fail, the first failure is raised.
    """

    def attempt(candidate: Recipe, folder: Path, watch: Watch) -> dict[str, Path]:
        return make_stages(candidate, STAGES[:2], folder, replace(given, watch=watch))[0]

    candidates = call("data", "candidates", recipe, base=given.base, frame=given.frame)
    raced = call("training", "race", recipe, candidates, parent, attempt, given.say)
    if not raced.tried:
        raise raced.failed[0][1]
    table = call("evaluation", "choose", raced.tried, raced.failed, raced.halted)
    best = raced.tried[table.pop("chosen")][0]
    for line in table.pop("lines"):
        given.say.line(line)
    return best, table


@contextmanager
def own_network(recipe: Recipe, parent: Path, base: Path, model: Any) -> Iterator[Recipe]:
    """The user's own network within reach of every stage, its hash in the recipe, and a copy of its file kept."""
    if model is None and recipe.model.file is None:
        if recipe.model.name == "own":
            discover.own()  # said before anything is made
        yield recipe
        return
    options = dict(recipe.model.options)
    if model is None:
        path = base / reading.expand(str(recipe.model.file))
        kept = parent / "models" / f"{options.get('sha256', '')}.py"
        if kept.is_file():  # a lap and a study take what the first run kept, whatever became of the file
            path = kept
        if not path.is_file():
            raise InputError(
                f"There is no file {path}; model.file names a Python file with your network.", where="model.file"
            )
        content = path.read_bytes()
        options["sha256"] = hashlib.sha256(content).hexdigest()
        (parent / "models").mkdir(exist_ok=True)
        manifest.write_bytes(parent / "models" / f"{options['sha256']}.py", content)
        model = discover.python_file(path)
    else:
        options["sha256"] = call("training", "fingerprint", model)
    with discover.own_model(model):
        yield recipe.but(model={**recipe.model.model_dump(mode="json"), **options, "name": "own"})


def with_weights(recipe: Recipe, home: Path, base: Path) -> Recipe:
    """What `model.weights` names, verified and kept beside the runs; its hash goes into the recipe."""
    thing, folder = recipe.model.weights, home / str(recipe.name) / "models"
    if thing is None or (folder / f"{recipe.model.weights_sha256}.safetensors").is_file():
        return recipe  # a lap and a study take what the first run kept, whatever became of the file
    recipe, path = found_weights(recipe, thing, home, base)
    model = recipe.model.model_dump(mode="json")
    return recipe.but(model={**model, "weights_sha256": call("training", "keep_weights", path, folder)})


def found_weights(recipe: Recipe, thing: str, home: Path, base: Path) -> tuple[Recipe, Path]:
    """Where they lie, and the recipe, with what must be as in the bundle that they are of. Raises InputError."""
    path = call("data", "published_folder", thing, base) or base / reading.expand(thing)
    if not path.is_file() and not (path / "config.json").is_file():
        try:
            path = bundle_folder(reading.expand(thing), home, base)
        except InputError as error:
            said = f"model.weights: {thing!r} is no folder of weights, version, or hub name (org/name). {error}"
            raise InputError(said, where="model.weights", got=thing, fix=error.fix) from error
        recipe = call("data", "like_bundle", recipe, path)
    return recipe, path


def _stage(job: _Job) -> tuple[Path, bool]:
    """The folder of the finished stage, and whether it was there before."""
    key, facts = _key(job)
    for candidate in sorted(job.run.parent.glob(f"*/{job.stage}")):
        found = manifest.read(candidate)
        if found is not None and found.key == key:
            manifest.verify(candidate, found.files)
            return runs.owned(candidate, job.run), True
    given = job.given
    folder = job.run / job.stage
    runs.prepare(folder, key)
    started, worked = time.monotonic(), progress.cpu_seconds()
    work = Work(
        recipe=job.recipe,
        task=discover.task(str(job.recipe.task)),
        folder=folder,
        before=job.before,
        say=given.say,
        base=given.base,
        version=int(job.run.name) if job.run.name.isdigit() else 0,
        parent=given.lap.parent if given.lap else None,
        lap=given.lap.rows if given.lap else None,
        frame=given.frame,
        watch=given.watch,
    )
    made: Made = call(job.stage, "make", work)
    (folder / "key").unlink()
    finished = Manifest(
        kind=job.stage,
        key=key,
        **facts,
        files=manifest.hash_files(folder),
        parent=str(given.lap.parent) if given.lap else "",
        scores=made.scores,
        facts=made.facts,
        seconds=round(time.monotonic() - started, 3),
        cpu_seconds=round(progress.cpu_seconds() - worked, 3),
        peak_memory_mb=progress.peak_memory_mb(),
        machine={"feilun": __version__, "python": platform.python_version(), "system": _system()},
    )
    manifest.write(folder, finished)
    return folder, False


def _key(job: _Job) -> tuple[str, dict[str, Any]]:
    """The hash of everything a stage's result depends on, and its parts for the manifest.

    A stage says in its verbs module what it uses: USES (recipe keys), CODE (rooms whose every file may be called by
    name), and `depends(recipe, base, lap, frame)` for what lies outside: the hash of source files.
    """
    lap = job.given.lap
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
    outside = depends(job.recipe, job.given.base, lap.rows if lap else None, job.given.frame) if depends else ""
    start = _key_of(stage_folders(lap.parent)["deployment"]) if lap else ""
    return manifest.hash_json({**facts, "outside": outside, "start": start}), facts


def _key_of(folder: Path) -> str:
    found = manifest.read(folder)
    return found.key if found else ""


def _system() -> str:
    """Such as `Linux x86_64 × 8` processors; nothing that names the machine."""
    return f"{platform.system()} {platform.machine()} × {os.cpu_count()}"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
