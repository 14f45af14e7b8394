"""Run folders: `<home>/<name>/<number>/<stage>/`, what run.json records of them, and where the next one lies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feilun.core import manifest
from feilun.core.recipe import Recipe


def home(given: str | Path | None = None) -> Path:
    """Where runs are kept: the given folder, else FEILUN_HOME, else ./runs."""
    return Path(given or os.environ.get("FEILUN_HOME") or "runs")


def run_folder(home: Path, name: str, number: int) -> Path:
    """The folder of a version."""
    return home / name / str(number)


def stage_folders(folder: Path) -> dict[str, Path]:
    """{stage: folder} of a run; a stage that was not made again lies in the run that made it."""
    return {stage: folder.parent / place for stage, place in manifest.read_json(folder / "run.json")["stages"].items()}


def settled(recipe: Recipe, training: Path) -> Recipe:
    """The recipe with what its training chose by measurement written into it: trained again, it measures nothing."""
    found = manifest.read(training)
    chosen = dict(found.facts.get("chosen", {})) if found else {}
    return recipe.but(train={**recipe.train.model_dump(mode="json"), **chosen}) if chosen else recipe


def chosen(facts: Mapping[str, Any]) -> str:
    """What training chose by measurement, from its facts, such as `learning_rate 0.004, epochs 7`; "" for nothing."""
    values = facts.get("chosen", {}).items()
    return ", ".join(f"{key} {value:g}" for key, value in values if isinstance(value, int | float))


def find_or_begin(parent: Path, recipe: Recipe, lap: str | None) -> Path:
    """The last run, if it has this recipe and was interrupted; else the next number. lap: of the loop, its name."""
    numbers = sorted(int(path.name) for path in parent.glob("*") if path.name.isdigit())
    last = parent / str(numbers[-1]) if numbers else None
    if last is not None and _recorded(last, finished=False) == _identity(recipe, lap):
        return last
    folder = parent / str(numbers[-1] + 1 if numbers else 1)
    folder.mkdir(parents=True)
    record(folder, recipe, lap, {})
    return folder


def settle(folder: Path, recipe: Recipe, lap: str | None, made: Mapping[str, Path]) -> Path:
    """Mark the run finished; if every stage was there before, it is the run that made the last of them."""
    owner = made["deployment"].parent
    if owner != folder:
        shutil.rmtree(folder)
        return owner
    record(folder, recipe, lap, made, finished=True)
    return folder


def record(folder: Path, recipe: Recipe, lap: str | None, made: Mapping[str, Path], finished: bool = False) -> None:
    """run.json: the resolved recipe and where each stage lies, relative to the folder of all runs of this name.

    Where training chose something by measurement, `recipe` has it and `asked` is the recipe before.
    """
    places = {stage: path.relative_to(folder.parent).as_posix() for stage, path in made.items()}
    whole = settled(recipe, made["training"]) if "training" in made else recipe
    asked = {"asked": _identity(recipe, lap)["recipe"]} if whole != recipe else {}
    manifest.write_json(folder / "run.json", {**_identity(whole, lap), **asked, "stages": places, "finished": finished})


def prepare(folder: Path, key: str) -> None:
    """An empty folder for this key, or the one an interrupted attempt with the same key left."""
    mark = folder / "key"
    if folder.exists() and (not mark.is_file() or mark.read_text() != key):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_bytes(mark, key.encode())


def owned(place: Path, folder: Path) -> Path:
    """A finished stage as the run in `folder` may point to it: one of a trial or a study is moved into the run.

    Folders of trials and studies are made anew when their recipe or data change; what a run is made of must stay.
    """
    if place.parent == folder or place.parent.name.isdigit() or not folder.name.isdigit():
        return place
    mine = folder / place.name
    if mine.exists():
        shutil.rmtree(mine)
    place.rename(mine)
    return mine


def _recorded(folder: Path, *, finished: bool) -> dict[str, Any] | None:
    """What run.json says of recipe and lap, if the run is (un)finished as asked."""
    path = folder / "run.json"
    saved = manifest.read_json(path) if path.is_file() else None
    if saved is None or saved["finished"] is not finished:
        return None
    return {"recipe": saved.get("asked", saved["recipe"]), "lap": saved["lap"]}


def _identity(recipe: Recipe, lap: str | None) -> dict[str, Any]:
    return {"recipe": recipe.model_dump(mode="json"), "lap": lap}
