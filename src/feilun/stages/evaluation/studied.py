"""What a study found, as the lines that the terminal shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from feilun.parts.metrics.wording import full, shown, title
from feilun.stages.evaluation import mislabelled


def lines(found: Mapping[str, Any]) -> list[str]:
    """Of folds.json, learning.json or label-noise.json."""
    if "suspects" in found:
        return mislabelled.told(found)
    return _folds(found) if "folds" in found else _points(found)


def chosen(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence on what `auto` chose in each fold or at each number of rows; none where a model was named."""
    models = Counter(part["model"] for part in parts if "model" in part)
    counted = ", ".join(f"{model} ×{count}" for model, count in models.most_common())
    return [f"auto chose anew each time, on that time's own validation rows: {counted}."] if models else []


def _folds(found: Mapping[str, Any]) -> list[str]:
    unit = found["unit"]
    rows = {"this model": found, **{title(name): item for name, item in found["baselines"].items()}}
    wide = max(map(len, rows))
    each = ", ".join(shown(fold["value"], unit) for fold in found["folds"])
    head = f"{title(found['score'])}, {len(found['folds'])} folds, each of {found['n']:,} rows answered once"
    drawn = [f"  {name:<{wide}}  {full({'unit': unit, **item})}" for name, item in rows.items()]
    return [head, *drawn, f"  {each}", *(f"  {words}" for words in chosen(found["folds"]))]


def _points(found: Mapping[str, Any]) -> list[str]:
    unit = found["unit"]
    rows = {f"{point['rows']:,} rows": point for point in found["points"]}
    wide = max(map(len, rows))
    head = f"{title(found['score'])} by training rows, on the same {found['n']:,} test rows"
    drawn = [f"  {name:<{wide}}  {full({'unit': unit, **item})}" for name, item in rows.items()]
    return [head, *drawn, *(f"  {words}" for words in chosen(found["points"])), f"  {found['more']['words']}"]
