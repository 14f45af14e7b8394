"""What the report and the card read out of the folders of finished stages; a missing stage is an empty answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import yaml12
from feilun.core.manifest import Manifest, hash_json, read, read_json
from feilun.core.recipe import Recipe
from feilun.stages.evaluation import charts, columns

if TYPE_CHECKING:
    from feilun.parts.dataset import Table

LOOKED_AT = 20_000  # rows behind each small histogram
SHOWN = 60  # columns with a histogram


def json_of(stages: Mapping[str, Path], stage: str, file: str) -> Any:
    """The content of a stage's JSON file, or None if there is none."""
    path = stages[stage] / file if stage in stages else None
    return read_json(path) if path is not None and path.is_file() else None


def purpose(recipe: Recipe) -> str:
    """One sentence: what it predicts from what."""
    inputs = list(recipe.inputs)
    source = ", ".join(inputs) if len(inputs) <= 4 else f"{len(inputs)} columns"
    target = ", ".join(recipe.target.columns) if recipe.target else ""
    what = f"Predicts {target}" if target else f"Does {(recipe.task or 'a task').replace('_', ' ')}"
    return f"{what} from {source}." if source else f"{what}."


def data(stages: Mapping[str, Path]) -> dict[str, Any]:
    """{splits: {split: rows}, feedback: rows, columns: [...with a drawing], facts: [(what, said)], notes: [...]}."""
    folder = stages.get("data")
    if folder is None or (made := read(folder)) is None:
        return {"splits": {}, "feedback": 0, "columns": [], "facts": [], "notes": []}
    from feilun.parts.dataset import SPLITS, Table

    table = Table.open(folder)
    splits = {split: len(table.index(split)) for split in SPLITS}
    return {
        "splits": {split: count for split, count in splits.items() if count or split in ("train", "test")},
        "feedback": int((table.origin > 0).sum()),
        "columns": _columns(folder, table),
        "facts": _plain_facts(made.facts),
        "notes": [str(note) for note in made.facts.get("notes", ())],
    }


def recipe_text(recipe: Recipe) -> str:
    """The resolved recipe as YAML."""
    return yaml12.dump(recipe.model_dump(mode="json"), order=Recipe.model_fields)


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


def _columns(folder: Path, table: Table) -> list[dict[str, Any]]:
    path = folder / "columns.json"
    profile = read_json(path) if path.is_file() else []
    there = [item for item in profile if item.get("role") in ("input", "target")][:SHOWN]
    values = table.columns("train", limit=LOOKED_AT) if there else {}
    drawn = {item["column"]: values.get(item["column"], ()) for item in there}
    return [
        {
            "column": str(item["column"]),
            "kind": str(item.get("kind", "")),
            "role": str(item.get("role", "")),
            "missing": item.get("missing", 0),
            "distinct": item.get("distinct", ""),
            "why": str(item.get("why") or ""),
            "warning": str(item.get("warning") or ""),
            "svg": charts.bars(*columns.histogram(drawn.get(item["column"], ()), str(item.get("kind", "")))),
        }
        for item in profile
    ]


def _plain_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Counts that are not zero, and texts."""
    lines = []
    for name, value in facts.items():
        if name == "rows":  # said already
            continue
        words = name.replace("_", " ")
        if isinstance(value, str) and value:
            lines.append((words, value))
        elif isinstance(value, int | float) and value:
            lines.append((words, "yes" if value is True else f"{value:,}"))
    return lines
