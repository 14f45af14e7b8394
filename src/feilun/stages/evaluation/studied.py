"""What a study found, as the lines that the terminal shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feilun.parts.metrics.wording import full, shown, title


def lines(found: Mapping[str, Any]) -> list[str]:
    """Of folds.json or learning.json."""
    return _folds(found) if "folds" in found else _points(found)


def _folds(found: Mapping[str, Any]) -> list[str]:
    unit = found["unit"]
    rows = {"this model": found, **{title(name): item for name, item in found["baselines"].items()}}
    wide = max(map(len, rows))
    each = ", ".join(shown(fold["value"], unit) for fold in found["folds"])
    head = f"{title(found['score'])}, {len(found['folds'])} folds, each of {found['n']:,} rows answered once"
    return [head, *(f"  {name:<{wide}}  {full({'unit': unit, **item})}" for name, item in rows.items()), f"  {each}"]


def _points(found: Mapping[str, Any]) -> list[str]:
    unit = found["unit"]
    rows = {f"{point['rows']:,} rows": point for point in found["points"]}
    wide = max(map(len, rows))
    head = f"{title(found['score'])} by training rows, on the same {found['n']:,} test rows"
    drawn = [f"  {name:<{wide}}  {full({'unit': unit, **item})}" for name, item in rows.items()]
    return [head, *drawn, f"  {found['more']['words']}"]
