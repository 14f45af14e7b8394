"""Vectors of texts by any bundle whose answers have the key `embedding`."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.bundle import answering
from feilun.parts.ops.ragged import Ragged
from feilun.stages.deployment.serving import logged
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.task import Row
    from feilun.parts.bundle.loading import Bundle
    from feilun.parts.store import PredictionLog

KEY = "embedding"
ALONE = {KEY: True, "top_k": 0}  # options of a task that gives vectors when asked: these, and nothing else
COLUMN = "text"
KNOWN = ("model", "input", "encoding_format", "user")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request."""

    model: str | None
    texts: Sequence[str]
    is_base64: bool


def asked(body: Mapping[str, Any], most: int) -> Asked:
    """Raises Refused 400."""
    given = {name: value for name, value in body.items() if value is not None}
    unknown = sorted(set(given) - set(KNOWN))
    if unknown:
        raise _wrong(unknown[0], "left out: this server does not carry it", given[unknown[0]])
    texts = _texts(given.get("input"), most)
    form = given.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise _wrong("encoding_format", "float or base64", form)
    model = given.get("model")
    if model is not None and not isinstance(model, str):
        raise _wrong("model", "the name of a model", model)
    return Asked(model=model, texts=texts, is_base64=form == "base64")


def answer(bundle: Bundle, asked: Asked, log: PredictionLog) -> dict[str, Any]:
    """`{object: list, data: [{object, index, embedding, id, cut}], model, usage}`; base64 is little-endian float32."""
    rows = [_row(bundle, text) for text in asked.texts]
    data, found = [], bundle.answered(rows, **_options(bundle))
    for index, (row, told) in enumerate(zip(rows, found.answers, strict=True)):
        vector, id = told[KEY], log.new_id()
        if vector is None:
            raise _empty(index)
        # What was asked is logged, not the vector: it can be had again, and is larger than any text.
        logged.note(log, bundle, id, row, {"dimensions": len(vector)}, {})
        shown = base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode() if asked.is_base64 else vector
        cut = {"cut": found.cut[index]} if index in found.cut else {}
        data.append({"object": "embedding", "index": index, "embedding": shown, "id": id, **cut})
    read = _tokens(bundle, rows)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "data": data, "model": bundle.called, "usage": usage}


def can(bundle: Bundle, answers: Sequence[Any]) -> bool:
    """Whether this bundle gives vectors: always, as these answers of it tell, or when asked."""
    return KEY in bundle.task.options or any(isinstance(answer, Mapping) and KEY in answer for answer in answers)


def _texts(given: Any, most: int) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise _wrong("input", "a text, or a list of texts", given)
    if len(texts) > most:
        raise Refused(
            400,
            f"input has {len(texts):,} texts; at most {most:,} are taken in one request (serve.rows).",
            where="input",
            expected=f"at most {most:,} texts",
            got=f"{len(texts):,} texts",
            fix="send them in several requests",
        )
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise _wrong("input", "texts; token numbers are not taken", text)
        if not text.strip():
            raise _empty(place)
    return texts


def _empty(place: int) -> Refused:
    return Refused(
        400,
        f"input[{place}] is empty, and nothing has no vector. Leave it out.",
        where="input",
        expected="a text",
        got="an empty text",
        fix="leave it out",
    )


def _options(bundle: Bundle) -> dict[str, Any]:
    """What makes it answer with vectors."""
    known = bundle.task.options
    return {name: value for name, value in ALONE.items() if name in known} if KEY in known else {}


def _row(bundle: Bundle, text: str) -> Row:
    columns = list(bundle.signature)
    asked = COLUMN if COLUMN in columns else columns[0]
    return {**dict.fromkeys(columns), asked: text}


def _tokens(bundle: Bundle, rows: Sequence[Row]) -> int:
    """Of all texts; 0 where the model counts none."""
    inputs = answering.input_features(bundle.task, bundle.features)
    encoded = answering.encode(inputs, answering.by_column(rows))
    return sum(int(array.offsets[-1]) for array in encoded.values() if isinstance(array, Ragged))


def _wrong(name: str, expected: str, got: Any) -> Refused:
    said = "missing" if got is None else f"{got!r:.100}"
    return Refused(400, f"{name} is {said}; expected {expected}.", where=name, expected=expected, got=said)
