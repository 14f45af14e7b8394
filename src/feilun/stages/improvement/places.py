"""Where things lie: stages of a run, laps of a name, the bundle and recipe of a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feilun.core import manifest
from feilun.core.errors import InputError
from feilun.core.recipe import Recipe

BUNDLE = "bundle"
LAPS = "laps"
PREDICTIONS = "predictions"
RUN = "run.json"


def stage(run_folder: Path, name: str) -> Path:
    """The folder of a run's stage; it may lie in the earlier run that made it."""
    record = _record(run_folder)
    place = record.get("stages", {}).get(name)
    return run_folder.parent / place if place else run_folder / name


def recipe(run_folder: Path) -> Recipe:
    """The resolved recipe of a run."""
    return Recipe.model_validate(_record(run_folder)["recipe"])


def lap_of(run_folder: Path) -> int | None:
    """The lap a run belongs to; None if it started from a recipe."""
    word = str(_record(run_folder).get("lap") or "")
    return int(word) if word.isdigit() else None


def laps(home: Path, name: str) -> list[tuple[int, Path]]:
    """(number, folder) of every lap, oldest first, finished or not."""
    folders = (home / name / LAPS).glob("*")
    return sorted((int(folder.name), folder) for folder in folders if folder.name.isdigit())


def _record(run_folder: Path) -> dict[str, Any]:
    path = run_folder / RUN
    if not path.is_file():
        raise InputError(
            f"{run_folder} is no run: it has no {RUN}. Train one with: feilun run",
            where=str(run_folder),
            fix="feilun run",
        )
    record: dict[str, Any] = manifest.read_json(path)
    return record
