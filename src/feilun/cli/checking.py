"""`feilun check`: the whole preflight, from the recipe to what a run will take; nothing is trained or kept."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feilun.cli import writing
from feilun.cli.record import Context, Result
from feilun.cli.words import tell

WIDEST_WHY = 70


def check(context: Context, path: Path, settings: Sequence[str], shown: str) -> Result:
    """Columns, cleaning, drift, splits, warnings, then the forecast. shown: the recipe as it was typed."""
    from feilun import lifecycle
    from feilun.core import reading

    written = reading.read_recipe(path, settings)
    base, weights = path.resolve().parent, None
    resolved, columns = lifecycle.call("data", "look", written, base=base)
    if resolved.model.weights is not None:
        resolved, weights = lifecycle.found_weights(resolved, resolved.model.weights, context.home, base)
    lifecycle.call("training", "check", resolved)
    drafted = writing.Draft(recipe=resolved, columns=columns, source=str(resolved.data.source))
    for line in [writing.opening(drafted, context.lang), *writing.table(drafted)]:
        context.say.line(line)
    found = lifecycle.call("data", "check_rows", resolved, base=base)
    for line in [*_rows(found, context.lang), *writing.findings(drafted, context.lang)]:
        context.say.line(line)
    with (
        tempfile.TemporaryDirectory() as folder,
        lifecycle.own_network(resolved, Path(folder), base, None) as recipe,
    ):
        kept = None
        if weights is not None and (weights / "predict.py").is_file():  # published ones are read for their shapes alone
            kept = Path(folder)
            sha256 = lifecycle.call("training", "keep_weights", weights, kept)
            recipe = recipe.but(model={**recipe.model.model_dump(mode="json"), "weights_sha256": sha256})
        forecast = lifecycle.call("training", "forecast", recipe, base, found["splits"], kept)
    context.say.line(_labelled(context.lang, "forecast", [forecast["words"]])[0])
    text = tell(context.lang, "the recipe is right; nothing was trained") + "."
    value = {"recipe": resolved.model_dump(mode="json"), "columns": columns, **found, "forecast": forecast}
    return Result(value=value, text=text, name=str(resolved.name), next=f"feilun run {shown}")


def _rows(found: Mapping[str, Any], lang: str) -> list[str]:
    """The cleaning table, drift between given rows, how many rows each split has, and what else there is to say."""
    splits = ", ".join(f"{name} {rows:,}" for name, rows in found["splits"].items() if rows)
    drift = [f"{one['column']}: {one['words']}" for one in found["drift"]]
    return [
        *_cleaning(found["cleaning"]),
        *_labelled(lang, "drift", drift),
        *_labelled(lang, "splits", [splits]),
        *_labelled(lang, "note", found["notes"]),
    ]


def _cleaning(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What, in which column, how many rows, what is done, why, and the recipe line that changes it."""
    from feilun.cli.looking import columns

    if not lines:
        return []
    head = ["cleaning", "column", "rows", "done", "why", "change it with"]
    rows = [
        [str(one["what"]), str(one["column"]), f"{one['rows']:,}", str(one["done"]), _short(one["why"]), one["key"]]
        for one in lines
    ]
    return columns([head, *rows]).splitlines()


def _labelled(lang: str, label: str, lines: Sequence[str]) -> list[str]:
    return [f"{tell(lang, label):9}  {line}" for line in lines]


def _short(text: str) -> str:
    return text if len(text) <= WIDEST_WHY else f"{text[: WIDEST_WHY - 1]}…"
