"""Test rows to look at: some answered well, drawn at random, and the ones answered worst."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.core.task import Score
from feilun.parts.features.turns import turns_of

if TYPE_CHECKING:
    from feilun.core.task import Json, Row

MOST = 8  # of each group: two lines of cards
THUMBNAIL = 160  # pixels of the longer side
TEXT = 160  # characters of a text column
PICTURES = 2  # picture columns shown of a row, so that the page stays small
COLUMNS = 8


def chosen(scores: Mapping[str, Score], main: str, seed: int) -> dict[str, np.ndarray]:
    """{"right": row numbers, "wrong": row numbers, worst first}, by the first per-row score; empty if there is none.

    Right is the best value there is, or the best quarter where values are continuous; drawn at random from it, so
    that the page does not flatter. Among equally wrong rows the other per-row scores decide (most confidently wrong).
    """
    ordered = [main, *(name for name in scores if name != main)]
    badness = [_badness(scores[name]) for name in ordered if scores[name].rows is not None]
    if not badness or not len(badness[0]):
        return {"right": np.zeros(0, np.int64), "wrong": np.zeros(0, np.int64)}
    first = badness[0]
    best = np.flatnonzero(first <= first.min())
    if len(best) < len(first) / 20:
        best = np.flatnonzero(first <= np.quantile(first, 0.25))
    right = np.random.default_rng(seed).permutation(best)[:MOST]
    order = np.lexsort(badness[::-1])[::-1]
    wrong = order[first[order] > first.min()]
    return {"right": np.sort(right), "wrong": wrong[~np.isin(wrong, right)][:MOST]}


def shown(rows: Sequence[Row], columns: Mapping[str, str], answers: Sequence[Json], truths: Sequence[Json]) -> Any:
    """One JSON object per row for the report: {id, answer, truth, columns: [{name, kind, text | png, size}]}.

    columns: {column: kind} in the order to show them.
    """
    pictures = [name for name, kind in columns.items() if kind == "image"]
    listed = [item for item in columns.items() if item[0] not in pictures[PICTURES:]][:COLUMNS]
    return [
        {
            "id": str(row.get("_id", "")),
            "answer": answer,
            "truth": truth,
            "columns": [{"name": name, "kind": kind, **_cell(row.get(name), kind)} for name, kind in listed],
            "more": len(columns) - len(listed),
        }
        for row, answer, truth in zip(rows, answers, truths, strict=True)
    ]


def thumbnail(content: bytes) -> tuple[str, tuple[int, int]]:
    """(base64 PNG no larger than THUMBNAIL, size of the original as width, height)."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as picture:
        size = picture.size
        small = picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB")
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode(), (size[0], size[1])


def _badness(score: Score) -> np.ndarray:
    """(N,) larger is worse; what cannot be computed is worst."""
    rows = np.asarray(score.rows, np.float64)
    return np.nan_to_num(-rows if score.better == "higher" else rows, nan=np.inf)


def _cell(value: Any, kind: str) -> dict[str, Any]:
    if kind == "image" and isinstance(value, bytes):
        try:
            png, size = thumbnail(value)
        except OSError:  # Pillow's word for a picture it cannot read
            return {"text": "a picture that cannot be read"}
        return {"png": png, "size": size}
    if value is None:
        return {"text": "(missing)"}
    if kind == "dialogue":
        text = "\n".join(f"{role}: {said}" for role, said in turns_of("", value))
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return {"text": text if len(text) <= TEXT else f"{text[:TEXT]}…"}
