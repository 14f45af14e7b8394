"""The routes. One /v1/predict serves every task, so a task stays one file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from feilun.core.errors import FeilunError
from feilun.stages.deployment.serving import access, correcting, limits, logged, replies, schemas
from feilun.stages.deployment.serving.gate import Gate
from feilun.stages.deployment.serving.language import model_list, routes

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.parts.store import PredictionLog, Store
    from feilun.stages.deployment.serving.counters import Counters
    from feilun.stages.deployment.serving.desk import Desk
    from feilun.stages.deployment.serving.language.outgoing import Outgoing
    from feilun.stages.deployment.serving.models import Served, Shelf


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the routes work with."""

    settings: Serve
    store: Store
    log: PredictionLog
    shelf: Shelf
    predicting: Desk
    correcting: Desk
    counters: Counters
    outgoing: Outgoing


def application(parts: Parts, door: access.Door, pages: Mapping[str, bytes]) -> Gate:
    """The whole ASGI application. Raises FeilunError if a route has no rule."""
    app = FastAPI(title=f"{parts.shelf.name} by Feilun", version="1", docs_url=None, redoc_url=None)
    app.add_exception_handler(FeilunError, _refused)
    app.add_exception_handler(Exception, _failed)
    model_list.add(app, parts)
    _schema(app, parts)
    _answers(app, parts)
    routes.add(app, parts)
    _health(app, parts)
    for path, content in pages.items():
        _page(app, path, content)
    rules = {**door.rules, **{("GET", path): access.OPEN for path in pages}}
    access.complete(_routes(app), rules)
    door.rules = rules
    return Gate(inner=app, door=door, settings=parts.settings, counters=parts.counters)


def _answers(app: FastAPI, parts: Parts) -> None:
    @app.post("/v1/predict", openapi_extra=schemas.PREDICT, summary="Answer rows")
    async def predict(request: Request) -> Response:
        rows, options = limits.asked(limits.parsed(await request.body()), parts.settings.rows)
        size = int(request.headers.get("content-length") or 1024)
        served, started = parts.shelf.current, time.perf_counter()
        writes, outgoing = served.bundle.task.writes is not None, parts.outgoing

        def answered() -> tuple[list[Any], Mapping[int, Any]]:
            made = served.bundle.answered(rows, **options)
            return [outgoing.answer(one) for one in made.answers] if writes else made.answers, made.cut

        answers, cut = await parts.predicting.ask(answered)
        ids = _logged(parts, served, rows, answers, {"latency_s": round(time.perf_counter() - started, 6)}, size)
        parts.counters.plain["rows"] += len(rows)
        is_held = bool(options.get("schema"))
        shown = [outgoing.labelled(one, is_held=is_held) for one in answers] if writes else answers
        pairs = enumerate(zip(ids, shown, strict=True))
        predictions = [
            {"id": id, "answer": answer, **({"cut": cut[row]} if row in cut else {})} for row, (id, answer) in pairs
        ]
        told = {"model": served.bundle.called, "predictions": predictions}
        # The ids of these are known as long as they are among the recent ones in memory, and not after a restart.
        headers = outgoing.headers() if writes else {}
        return replies.answer({**told, "log": "failing"} if parts.log.is_failing else told, headers=headers)

    @app.post("/v1/feedback", openapi_extra=schemas.FEEDBACK, summary="Say what would have been right")
    async def feedback(request: Request) -> Response:
        body, bundle = limits.parsed(await request.body()), parts.shelf.current.bundle
        said = correcting.thumb if "thumb" in body else correcting.correct
        saved = await parts.correcting.ask(lambda: said(parts.store, parts.log, bundle, body))
        parts.counters.plain["feedback"] += saved["saved"] == "new"
        return replies.answer(saved)


def _schema(app: FastAPI, parts: Parts) -> None:
    @app.get("/v1/schema", summary="Columns, options and an example of what the model takes")
    async def schema(_: Request) -> Response:
        bundle = parts.shelf.current.bundle
        return replies.answer(
            {
                "model": bundle.called,
                "task": bundle.manifest["task"],
                "summary": bundle.task.summary,
                "inputs": bundle.signature,
                "options": dict(bundle.task.options),
                "rows": parts.settings.rows,
            }
        )


def _health(app: FastAPI, parts: Parts) -> None:
    @app.get("/health/live", summary="Is the process alive?")
    async def live(_: Request) -> Response:
        return replies.answer({"live": True})

    @app.get("/health/ready", summary="Can it answer, and is it what should serve?")
    async def ready(_: Request) -> Response:
        shelf = parts.shelf
        told: dict[str, Any] = {"ready": True, "model": shelf.current.bundle.called}
        if shelf.refused:
            told["refused"] = shelf.refused
        if parts.log.is_failing:  # it still answers rightly: a full disk must not take every server out of service
            told |= {"degraded": True, "log": "failing"}
        return replies.answer(told)

    @app.get("/metrics", summary="Counts for Prometheus")
    async def metrics(_: Request) -> Response:
        shelf, kept = parts.shelf, parts.log.stats()
        gauges = {
            "requests_inside": parts.predicting.inside,
            **{f"texts_{name}": count for name, count in _counts(shelf.current).items()},
            "model_swaps": shelf.swaps,
            "model_refused": int(bool(shelf.refused)),
            "log_failing": int(parts.log.is_failing),
            **{f"log_{name}": count for name, count in kept.items()},
        }
        text = parts.counters.text(gauges, {"name": shelf.name, "version": str(shelf.current.bundle.version)})
        return Response(text, media_type="text/plain; version=0.0.4")


def _page(app: FastAPI, path: str, content: bytes) -> None:
    async def page(_: Request) -> Response:
        return Response(content, media_type="text/html; charset=utf-8")

    app.add_api_route(path, page, include_in_schema=False)


def _logged(
    parts: Parts, served: Served, rows: Sequence[Any], answers: Sequence[Any], facts: Mapping[str, Any], size_bytes: int
) -> list[str]:
    """Ids of the predictions, each noted in the log; that costs the request nothing."""
    ids = [parts.log.new_id() for _ in rows]
    for id, row, answer in zip(ids, rows, answers, strict=True):
        logged.note(parts.log, served.bundle, id, row, answer, facts, row_bytes=size_bytes // len(rows))
    return ids


def _counts(served: Served) -> Mapping[str, int]:
    return {} if served.writer is None else served.writer.counts


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, FeilunError) and replies.status_of(error) != 500:
        return replies.error(error, request.url.path)
    raise error


async def _failed(request: Request, _: Exception) -> Response:
    """Starlette sends this and raises the error again; the gate writes it down."""
    return replies.fault(request.url.path)


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    """(method, path) of everything that can be asked."""
    found = []
    for route in app.routes:
        methods = (route.methods if isinstance(route, APIRoute) else None) or {"GET"}
        found += [(method, str(getattr(route, "path", ""))) for method in methods]
    return found
