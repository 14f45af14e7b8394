"""What the report and the card read out of the folders of finished stages; a missing stage is an empty answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import yaml12
from feilun.core.manifest import Manifest, hash_json, read, read_json
from feilun.core.recipe import Recipe
from feilun.stages.evaluation import charts, columns, network
from feilun.stages.evaluation.bilingual import Phrase, tell, term, verbatim
from feilun.stages.evaluation.phrases import cut

if TYPE_CHECKING:
    from feilun.parts.dataset import Table

LOOKED_AT = 20_000  # rows behind each small histogram
DRAWN = 60  # columns with a histogram
SHOWN = 150  # columns in the table, those to look at first
LINES = 100  # of any other list from the data stage
TEXT = 300  # letters of one remark
RECIPE = 60_000  # letters of the recipe; what is longer stands in run.json


def json_of(stages: Mapping[str, Path], stage: str, file: str) -> Any:
    """The content of a stage's JSON file, or None if there is none."""
    path = stages[stage] / file if stage in stages else None
    return read_json(path) if path is not None and path.is_file() else None


def beside(run_folder: Path, file: str) -> Any:
    """The content of a JSON file in the run's own folder (folds, learning curve, models tried), or None."""
    path = run_folder / file
    return read_json(path) if path.is_file() else None


def purpose(recipe: Recipe) -> Phrase:
    """One sentence: what it predicts from what."""
    inputs = list(recipe.inputs)
    source = verbatim(", ".join(inputs)) if len(inputs) <= 4 else tell("{count} columns", count=len(inputs))
    target = ", ".join(recipe.target.columns) if recipe.target else ""
    if not target:
        return tell("Does {task}.", task=term(recipe.task or "a task"))
    return tell("Predicts {target} from {source}.", target=target, source=source) if inputs else verbatim(f"{target}.")


def data(stages: Mapping[str, Path]) -> dict[str, Any]:
    """What the data stage left, for people: {splits, feedback, columns, more, facts, notes, cleaning, drift}."""
    folder = stages.get("data")
    if folder is None or (made := read(folder)) is None:
        return {"splits": {}, "feedback": 0, "columns": [], "more": 0, "facts": [], "notes": []} | {
            "cleaning": [],
            "drift": [],
        }
    from feilun.parts.dataset import SPLITS, Table

    table = Table.open(folder)
    splits = {split: len(table.index(split)) for split in SPLITS}
    columns_, more = _columns(folder, table)
    return {
        "splits": {split: count for split, count in splits.items() if count or split in ("train", "test")},
        "feedback": int((table.origin > 0).sum()),
        "columns": columns_,
        "more": more,
        "facts": [] if made.facts.get("cleaning") else _plain_facts(made.facts),  # the table says it all, and more
        "notes": [cut(str(note), TEXT) for note in made.facts.get("notes", ())][:LINES],
        "cleaning": [_cleaned(row) for row in made.facts.get("cleaning") or ()][:LINES],
        "drift": [
            {"column": cut(str(row["column"]), 80), "distance": row.get("distance"), "words": str(row.get("words", ""))}
            for row in sorted(made.facts.get("drift") or (), key=lambda row: -float(row.get("distance") or 0))
        ][:LINES],
    }


def made_on(stages: Mapping[str, Path]) -> str:
    """The day on which the data stage was finished, in universal time; "" if it was not."""
    path = stages["data"] / "manifest.json" if "data" in stages else None
    if path is None or not path.is_file():
        return ""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def shapes(stages: Mapping[str, Path]) -> dict[str, tuple[int, ...]]:
    """{parameter: shape} of the trained weights; {} without them."""
    path = stages["training"] / "weights.safetensors" if "training" in stages else None
    return network.shapes(path) if path is not None and path.is_file() else {}


def recipe_text(recipe: Recipe) -> str:
    """The resolved recipe as YAML."""
    return cut(yaml12.dump(recipe.model_dump(mode="json"), order=Recipe.model_fields), RECIPE)


def hashes(made: Mapping[str, Manifest]) -> list[tuple[str, str]]:
    """(what, SHA-256) of what decides the result: every stage's key, and the weights."""
    found = [(f"{stage} key", item.key) for stage, item in made.items()]
    for item in made.values():
        found += [(path, facts["sha256"]) for path, facts in item.files.items() if path == "weights.safetensors"]
    return found


def recipe_hash(recipe: Recipe) -> str:
    """SHA-256 of the resolved recipe."""
    return hash_json(recipe.model_dump(mode="json"))


def size(size_bytes: float) -> str:
    """Such as `1.2 MB`."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= power:
            return f"{size_bytes / power:.3g} {unit}"
    return f"{size_bytes:.0f} bytes"


def _columns(folder: Path, table: Table) -> tuple[list[dict[str, Any]], int]:
    """Columns with a drawing each, and how many more there are."""
    path = folder / "columns.json"
    profile = read_json(path) if path.is_file() else []
    shown = sorted(profile, key=lambda item: not item.get("warning"))[:SHOWN] if len(profile) > SHOWN else profile
    there = [item for item in shown if item.get("role") in ("input", "target")][:DRAWN]
    values = table.columns("train", limit=LOOKED_AT) if there else {}
    drawn = {item["column"]: values.get(item["column"], ()) for item in there}
    made = [
        {
            "column": cut(str(item["column"]), 80),
            "kind": str(item.get("kind", "")),
            "role": str(item.get("role", "")),
            "missing": item.get("missing", 0),
            "distinct": item.get("distinct") or "",
            "why": cut(str(item.get("why") or ""), TEXT),
            "warning": cut(str(item.get("warning") or ""), TEXT),
            "override": cut(str(item.get("override") or ""), TEXT),
            **_histogram(drawn.get(item["column"], ()), str(item.get("kind", ""))),
        }
        for item in shown
    ]
    return made, len(profile) - len(made)


def _histogram(values: Sequence[Any], kind: str) -> dict[str, Any]:
    """{svg, ends: what stands under it}."""
    counts, labels = columns.histogram(values, kind)
    return {"svg": charts.bars(counts, labels), "ends": columns.ends(labels, kind)}


def _cleaned(row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the cleaning table."""
    words = {key: cut(str(row.get(key) or ""), TEXT) for key in ("what", "column", "done", "why", "key")}
    return {**words, "rows": row.get("rows", "")}


def _plain_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Counts that are not zero, and texts."""
    lines = []
    for name, value in facts.items():
        if name == "rows":  # said already
            continue
        words = name.replace("_", " ")
        if isinstance(value, str) and value:
            lines.append((words, cut(value, TEXT)))
        elif isinstance(value, int | float) and value:
            lines.append((words, "yes" if value is True else f"{value:,}"))
    return lines
