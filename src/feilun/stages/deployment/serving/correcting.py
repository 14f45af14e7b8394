"""Feedback on an answer: found by its prediction id, checked against the task, on disk before it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.task import Row
    from feilun.parts.bundle.loading import Bundle
    from feilun.parts.store import PredictionLog, Store

THUMBS = ("up", "down")


def correct(store: Store, log: PredictionLog, bundle: Bundle, body: Mapping[str, Any]) -> dict[str, Any]:
    """{id, model, saved: "new" | "already"} once the correction, with the row it corrects, is committed.

    Raises Refused 404 for an unknown id, 422 for an answer that this task cannot learn from, 409 if this prediction
    was corrected differently before.
    """
    id, answer = _said(body)
    asked = _found(log, id)
    learnable(bundle, asked["row"], answer)
    try:
        is_new = store.add_feedback(
            id=id,
            name=bundle.name,
            version=asked["version"],
            row=asked["row"],
            answer=asked["answer"],
            correction=answer,
        )
    except DataError as error:
        raise Refused(409, str(error), where="answer", expected=error.expected, got=error.got, fix=error.fix) from error
    return {"id": id, "model": f"{bundle.name}@{asked['version']}", "saved": "new" if is_new else "already"}


def thumb(store: Store, log: PredictionLog, bundle: Bundle, body: Mapping[str, Any]) -> dict[str, Any]:
    """{id, model, saved: "new" | "changed" | "already"} once it is committed whether the answer was good.

    Raises Refused 404 for an unknown id, 422 for anything but up or down.
    """
    if set(body) != {"id", "thumb"} or not isinstance(body["id"], str) or body["thumb"] not in THUMBS:
        raise Refused(
            422,
            f"A thumb needs `id` (text) and `thumb`, which is {' or '.join(THUMBS)}.",
            where="body.thumb",
            expected=" or ".join(THUMBS),
            got=f"{body['thumb']!r}"[:100],
            fix='send {"id": "…", "thumb": "up"}',
        )
    asked = _found(log, body["id"])
    kept = {name: asked[name] for name in ("id", "version", "row", "answer")}
    saved = store.add_thumb(**kept, name=bundle.name, thumb=body["thumb"])
    return {"id": body["id"], "model": f"{bundle.name}@{asked['version']}", "saved": saved}


def learnable(bundle: Bundle, row: Row, answer: Any) -> None:
    """Raises DataError unless the task makes a training row of this answer and every target feature takes its value."""
    corrected = bundle.task.correct(row, answer, bundle.recipe)
    for name in bundle.task.targets:
        feature = bundle.features.get(name)
        if feature is not None and corrected.keys() >= set(feature.columns):
            feature.encode({column: [corrected[column]] for column in feature.columns})


def _found(log: PredictionLog, id: str) -> dict[str, Any]:
    asked = log.find(id)
    if asked is None:
        raise Refused(
            404,
            f"There is no prediction {id[:80]!r}.",
            where="id",
            expected="an id from /v1/predict",
            got=id,
            fix="send the id that came with the answer",
        )
    return asked


def _said(body: Mapping[str, Any]) -> tuple[str, Any]:
    unknown = sorted(set(body) - {"id", "answer"})
    if unknown or set(body) != {"id", "answer"} or not isinstance(body["id"], str):
        raise Refused(
            422,
            f"Unknown key {unknown[0]!r} in the body." if unknown else "The body needs `id` (text) and `answer`.",
            where=f"body.{unknown[0]}" if unknown else "body",
            expected="id, answer",
            got=", ".join(body)[:200],
            fix='send {"id": "…", "answer": …}',
        )
    return body["id"], body["answer"]
