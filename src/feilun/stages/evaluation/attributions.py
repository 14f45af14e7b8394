"""What in a row the answer hangs on: every word, patch or column is taken away once, and the answer is asked again.

Occlusion (Zeiler & Fergus 2014) needs nothing of the network but answers, so it works for every model, in torch and in
onnxruntime. A weight above 0 speaks for the answer that was given (for numbers: makes it larger).
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.metrics import spans
from feilun.parts.metrics.answers import f1 as f1_of_words
from feilun.parts.metrics.detection import f1
from feilun.parts.metrics.text import chrf
from feilun.parts.ops.ragged import take

if TYPE_CHECKING:
    from feilun.core.task import Json, Rows
    from feilun.stages.evaluation.asking import Model

SEGMENTS = 60  # pieces of a text that are taken away one by one
CHARACTERS = 2000  # of a text that are looked at
GRID = 8  # patches per side of a picture
HEAT = 64  # pixels per side of the map that is drawn
SAMPLE = 2000  # training rows that say what is usual
COLUMNS = 20  # of a table
SMALLEST = 1e-6  # probabilities are kept this far from 0 and 1
_PIECE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\s*|\s+")


def of_rows(
    model: Model, rows: Rows, answers: Sequence[Json], train: Rows, first: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Per row {column: {tokens: [[text, weight]]} | {heat: base64 PNG} | {weight, instead}}; {} where nothing can be.

    train: training rows, for what is usual in a column.  first: columns to take first where there are many.
    """
    found: list[dict[str, Any]] = [{} for _ in answers]
    if not answers or strength(answers[0], answers[0]) is None:
        return found
    columns = [column for column in model.columns() if column in rows]
    columns.sort(key=lambda column: first.index(column) if column in first else len(first))
    for column in columns[:COLUMNS]:
        kind = model.recipe.inputs[column].kind if column in model.recipe.inputs else ""
        if kind == "text":
            made = _words(model, rows, column, answers)
        elif kind == "image":
            made = _patches(model, rows, column, answers)
        elif kind in ("number", "category") and len(columns) > 1:
            made = _usual(model, rows, column, answers, train)
        else:
            continue
        for place, one in enumerate(made):
            if one:
                found[place][column] = one
    return found


def strength(answer: Json, given: Json) -> float | None:
    """How much this answer still says what the given one said; None for answers that cannot be compared.

    Of labels the log odds, so that words count too where the model is very sure; of a number the number.
    """
    if isinstance(given, list):
        in_text = all("start" in one for one in (*given, *answer))
        return float(spans.each(spans.counts([answer], [given]))[0] if in_text else f1([answer], [given])[0])
    if not isinstance(given, Mapping):
        return None
    if "answer" in given and "start" in given:
        return f1_of_words(answer["answer"], [] if given["answer"] is None else [given["answer"]])
    scores = answer.get("scores")
    if isinstance(scores, Mapping) and "label" in given:
        return _log_odds(scores.get(given["label"], 0.0))
    if isinstance(scores, Mapping) and "labels" in given:
        named = given["labels"] or [max(given["scores"], key=lambda label: given["scores"][label])]
        return float(np.mean([_log_odds(scores.get(label, 0.0)) for label in named]))
    if "value" in given:
        return float(answer["value"])
    if "values" in given:
        return float(next(iter(answer["values"].values())))
    return float(chrf([answer["text"]], [given["text"]])[0]) if "text" in given else None


def _log_odds(chance: float) -> float:
    safe = min(max(float(chance), SMALLEST), 1 - SMALLEST)
    return math.log(safe / (1 - safe))


def pieces(text: str) -> list[str]:
    """At most SEGMENTS neighbouring pieces of words or characters; joined they are the text."""
    words = _PIECE.findall(text[:CHARACTERS])
    size = -(-len(words) // SEGMENTS) or 1
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def _words(model: Model, rows: Rows, column: str, answers: Sequence[Json]) -> list[dict[str, Any]]:
    texts = [str(value) if value is not None else "" for value in rows[column]]
    cut = [pieces(text) for text in texts]
    asked, owners = [], []
    for place, parts in enumerate(cut):
        rest = texts[place][CHARACTERS:]
        for gone in range(len(parts)):
            asked.append("".join(parts[:gone] + parts[gone + 1 :]) + rest)
            owners.append(place)
    weights = _weights(model, rows, {column: asked}, owners, answers)
    return [
        {"tokens": [[text, weight] for text, weight in zip(parts, weights[place], strict=True)]} if parts else {}
        for place, parts in enumerate(cut)
    ]


def _usual(model: Model, rows: Rows, column: str, answers: Sequence[Json], train: Rows) -> list[dict[str, Any]]:
    """The column with what is usual in training instead: the median, or the most frequent value."""
    known = [value for value in train[column][:SAMPLE] if value is not None and value == value]
    if not known:
        return [{} for _ in answers]
    if model.recipe.inputs[column].kind == "number":
        instead: Any = float(np.median([float(value) for value in known]))
    else:
        instead = Counter(map(str, known)).most_common(1)[0][0]
    places = list(range(len(answers)))
    weights = _weights(model, rows, {column: [instead] * len(places)}, places, answers)
    return [{"weight": weights[place][0], "instead": instead} for place in places]


def _weights(
    model: Model, rows: Rows, changed: Mapping[str, list[Any]], owners: Sequence[int], answers: Sequence[Json]
) -> list[list[float]]:
    """Per row the weights of its disturbed copies, in order."""
    found: list[list[float]] = [[] for _ in answers]
    if owners:
        copies = {name: [rows[name][place] for place in owners] for name in model.read()}
        for place, answer in zip(owners, model.answers({**copies, **changed}), strict=True):
            found[place].append(_lost(answers[place], answer))
    return found


def _lost(given: Json, answer: Json) -> float:
    return round((strength(given, given) or 0.0) - (strength(answer, given) or 0.0), 5)


def _patches(model: Model, rows: Rows, column: str, answers: Sequence[Json]) -> list[dict[str, Any]]:
    """Patches of the encoded picture, filled with its mean colour."""
    names = [name for name, feature in model.inputs().items() if column in feature.columns]
    pictures = [name for name in names if model.inputs()[name].kind == "image"]
    if len(pictures) != 1:
        return [{} for _ in answers]
    arrays = model.encoded({name: list(rows[name]) for name in model.read()})
    found = []
    for place, given in enumerate(answers):
        copies = {name: take(array, np.full(GRID * GRID, place)) for name, array in arrays.items()}
        copies[pictures[0]] = _occluded(np.array(copies[pictures[0]]))
        lost = [_lost(given, answer) for answer in model.answers_to(copies)]
        found.append(
            {"heat": heat(np.array(lost).reshape(GRID, GRID)), "most": max(map(abs, lost))} if any(lost) else {}
        )
    return found


def _occluded(pictures: np.ndarray) -> np.ndarray:
    """uint8 (GRID², channels, height, width): of copy k patch k is filled with the mean colour."""
    height, width = pictures.shape[2:]
    down, across = (np.linspace(0, side, GRID + 1).round().astype(int) for side in (height, width))
    fill = pictures[0].mean((1, 2))[:, None, None].astype(np.uint8)
    for place, picture in enumerate(pictures):
        y, x = divmod(place, GRID)
        picture[:, down[y] : down[y + 1], across[x] : across[x + 1]] = fill
    return pictures


def heat(weights: np.ndarray) -> str:
    """Base64 PNG (RGBA) to lay over the picture: orange speaks for the answer, blue against it."""
    from PIL import Image

    share = weights / max(1e-9, float(np.abs(weights).max()))
    pixels = np.zeros((*weights.shape, 4), np.uint8)
    pixels[share > 0, :3], pixels[share <= 0, :3] = (230, 120, 0), (0, 100, 220)
    pixels[..., 3] = np.round(170 * np.abs(share)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels, "RGBA").resize((HEAT, HEAT), Image.Resampling.BILINEAR).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()
