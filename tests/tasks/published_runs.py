"""Whole runs that begin from published weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feilun import lifecycle
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe


def recipe(folder: Path, rows: Sequence[dict[str, Any]], **keys: Any) -> Recipe:
    """Of these rows, written into the folder; nothing of it is made smaller."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    shared = {"name": "my", "data": {"source": "rows.jsonl"}, "evaluate": {"bootstrap": 100}}
    return Recipe.model_validate({**shared, "optimize": {"quantize": "none"}, **keys})


def run(folder: Path, given: Recipe) -> lifecycle.Run:
    """The whole life cycle."""
    return lifecycle.run_recipe(given, home=folder / "home", base=folder, say=Quiet())
