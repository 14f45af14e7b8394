"""The data stage: from a source to rows, frozen splits, fitted features and encoded arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feilun.core.manifest import hash_json
from feilun.core.recipe import Recipe
from feilun.core.work import Made, Work

USES = ("task", "seed", "data", "inputs", "target")
CODE = ("features",)


def resolve(recipe: Recipe, base: Path, frame: Any = None) -> Recipe:
    """The recipe with name, task, inputs and their kinds, target, model and training defaults filled in.

    Reads a bounded sample, and nothing where nothing is missing. Raises RecipeError or DataError.
    """
    from feilun.stages.data import resolve as filling

    return filling.resolve(recipe, base, frame)


def profile(recipe: Recipe, base: Path, frame: Any = None) -> list[dict[str, Any]]:
    """A dict per column: column, kind, role (input, target, left out), missing, distinct, why, warning, rows.

    warning is empty, or what a person should look at; rows: how many rows the source has.
    """
    from feilun.stages.data import survey

    found = survey.take(recipe, base, frame)
    return [{**entry, "rows": found.rows} for entry in found.columns]


def make(work: Work) -> Made:
    """rows/, splits.npy, origin.npy, columns.json, features.json and arrays/ of a source, or of a lap."""
    from feilun.stages.data import assemble, lap

    return assemble.make(work) if work.lap is None else lap.make(work)


def depends(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    """Hash of what lies outside: the source's files, the table from Python; in a lap only the lap's rows."""
    from feilun.stages.data import frames, hashing, raw, sources

    if lap is not None:
        return hashing.of_path(lap)
    if frame is not None:
        return hashing.of_table(frames.read(frame).table)
    paths = sources.paths(recipe, base)
    for path in paths:
        if not path.exists():
            raise raw.missing(path)
    hashes = []
    for path in paths:
        with raw.opened(path):
            hashes.append(hashing.of_path(path))
    return hash_json(hashes)
