"""The data stage: from a source to rows, frozen splits, fitted features and encoded arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.manifest import hash_file, hash_json
from feilun.core.recipe import Recipe
from feilun.core.work import Made, Work

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.stages.data.looking import survey

USES = ("task", "seed", "data", "inputs", "target", "evaluate.groups")
CODE = ("features",)


def resolve(recipe: Recipe, base: Path, frame: Any = None) -> Recipe:
    """The recipe with name, task, inputs and their kinds, target, model and training defaults filled in.

    Reads a bounded sample, and nothing where nothing is missing. Raises RecipeError or DataError.
    """
    from feilun.stages.data import resolve as filling

    whole = filling.resolve(recipe, base, frame)
    _check(whole, base)
    return whole


def candidates(recipe: Recipe, base: Path, frame: Any = None) -> list[Recipe]:
    """For `model: auto`: two or three whole recipes to try, the simplest model first. recipe: resolved."""
    from feilun.stages.data import candidates as policy

    return policy.candidates(recipe, base, frame)


def profile(recipe: Recipe, base: Path, frame: Any = None) -> list[dict[str, Any]]:
    """A dict per column: column, kind, role (input, target, left out), missing, distinct, why, warning, rows.

    warning is empty, or what a person should look at; rows: how many rows the source has.
    """
    from feilun.stages.data.looking import survey

    return _columns(survey.take(recipe, base, frame))


def look(recipe: Recipe, base: Path, frame: Any = None) -> tuple[Recipe, list[dict[str, Any]]]:
    """`resolve` and `profile` from one look at the rows."""
    from feilun.stages.data import resolve as filling
    from feilun.stages.data.looking import survey

    found = survey.take(recipe, base, frame)
    whole = filling.resolve(recipe, base, frame, found)
    _check(whole, base)
    return whole, _columns(found)


def check_rows(recipe: Recipe, base: Path, frame: Any = None) -> dict[str, Any]:
    """Everything `make` finds out about all rows, and nothing is kept: for a look before a run.

    Returns {cleaning: lines of the cleaning table, drift, splits: {split: rows}, notes}, as in the manifest's facts.
    Texts that would be cut are counted on some training rows; notes also say which documents cannot be read.
    """
    from feilun.core import discover, progress
    from feilun.parts import dataset
    from feilun.stages.data import assemble, library
    from feilun.stages.data.telling import shortened

    whole = resolve(recipe, base, frame)
    done = assemble.rows_of(whole, discover.task(str(whole.task)), base, frame, progress.Quiet())
    facts, heard = done.facts, progress.Heard()
    if whole.data.documents:
        told = done.table.column(done.wanted.features["passage"].columns[0]).to_pylist()
        judged = dataset.SPLITS.index("test")
        library.read(
            whole, base, heard, [text for text, split in zip(told, done.splits, strict=True) if split == judged]
        )
    cut = shortened.foreseen(done.table, done.splits, done.wanted.features)
    found = {name: facts[name] for name in ("cleaning", "drift", "splits", "notes")}
    return {**found, "cleaning": [*facts["cleaning"], *cut], "notes": [*facts["notes"], *heard.lines]}


def unlabelled(recipe: Recipe, base: Path, source: str, folder: Path) -> tuple[Mapping[str, Any], int]:
    """({input column: values} of the rows of this source, how many were left out since they equal judged rows).

    folder: of the finished data stage, whose validation, gate and test rows are judged.
    """
    from feilun.stages.data import unlabelled as reading

    return reading.read(recipe, base, source, folder)


def rows_of(recipe: Recipe, base: Path, source: str) -> int:
    """How many rows another source of this recipe has."""
    from feilun.stages.data import unlabelled as reading
    from feilun.stages.data.reading import sources

    return int(sources.read(reading.of(recipe, source), base).table.num_rows)


def fingerprint(recipe: Recipe, base: Path, source: str) -> str:
    """A hash of everything that another source of this recipe holds."""
    from feilun.stages.data import unlabelled as reading

    return depends(reading.of(recipe, source), base, None, None)


def documents(recipe: Recipe, base: Path, say: Say, asked: Sequence[Any]) -> dict[str, list[str]]:
    """{document, place, passage} of what `data.documents` names; says which documents could not be read, and why.

    asked: passages of the rows that will be judged; it says how many of them no document holds.
    """
    from feilun.stages.data import library

    return library.read(recipe, base, say, asked)


def documents_fingerprint(recipe: Recipe, base: Path) -> str:
    """A hash of everything that these documents hold."""
    from feilun.stages.data import library

    return library.fingerprint(recipe, base)


def published_folder(weights: str, base: Path) -> Path | None:
    """The folder of published weights that `model.weights` names; None where it names something else."""
    from feilun.stages.data import hub

    found = hub.find(weights, base)
    return None if found is None else found.folder


def like_bundle(recipe: Recipe, folder: Path) -> Recipe:
    """A recipe that writes texts, with the tokens and the model of the bundle that it starts from."""
    from feilun.stages.data import options, published

    filled = published.like_bundle(recipe, folder)
    if filled is not recipe:
        options.check(filled)
    return filled


def make(work: Work) -> Made:
    """rows/, splits.npy, origin.npy, columns.json, features.json and arrays/ of a source, or of a lap."""
    from feilun.stages.data import assemble, lap

    return assemble.make(work) if work.lap is None else lap.make(work)


def depends(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    """Hash of what lies outside: the source's files, the table from Python; in a lap only the lap's rows.

    Columns that business metrics name are kept too; what the metrics do with them changes no row.
    """
    from feilun.stages.data import published, wanted

    outside, named = _outside(recipe, base, lap, frame), sorted(wanted.in_metrics(recipe))
    named += [hash_file(path) for path in published.files(recipe) if lap is None]
    return hash_json([outside, named]) if named else outside


def _check(recipe: Recipe, base: Path) -> None:
    from feilun.stages.data import library
    from feilun.stages.data.dealing import consistent

    consistent.check(recipe)
    library.check(recipe, base)


def _columns(found: survey.Survey) -> list[dict[str, Any]]:
    return [{**entry, "rows": found.rows} for entry in found.columns]


def _outside(recipe: Recipe, base: Path, lap: Path | None, frame: Any) -> str:
    from feilun.stages.data.alike import hashing
    from feilun.stages.data.reading import frames, sources

    if lap is not None:
        return hashing.of_path(lap)
    if frame is not None:
        return hashing.of_table(frames.read(frame).table)
    return sources.fingerprint(recipe, base)
