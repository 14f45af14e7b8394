"""Which models there are, and which one serves: OpenAI's list, with every version beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from feilun.stages.deployment.serving import places, replies
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.stages.deployment.serving.app import Parts
    from feilun.stages.deployment.serving.models import Served


def add(app: FastAPI, parts: Parts) -> None:
    """The list, and one of it by its name."""

    @app.get(places.MODELS, summary="Versions, and which one serves")
    async def models(_: Request) -> Response:
        rows, served = await _versions(parts), parts.shelf.current
        kept = [{"model": _called(row), "created": row["created"], "champion": row["champion"]} for row in rows]
        data = [_model(name, rows, served) for name in _names(served)]
        return replies.answer({"serving": served.bundle.called, "models": kept, "object": "list", "data": data})

    @app.get(places.MODEL, summary="A model that serves, as OpenAI's API tells of it")
    async def model(request: Request) -> Response:
        rows, served, name = await _versions(parts), parts.shelf.current, str(request.path_params["model"])
        require(served, name)
        return replies.answer(_model(name, rows, served))


def require(served: Served, asked: str | None) -> None:
    """Raises Refused 404 for another model than the one that serves; None: whichever does."""
    known = _names(served)
    if asked is not None and asked not in known:
        raise Refused(
            404,
            f"There is no model {asked[:80]!r} here; {served.bundle.called} serves.",
            where="model",
            expected=" or ".join(known),
            got=asked,
            fix=f"use {known[0]}",
        )


async def _versions(parts: Parts) -> list[dict[str, Any]]:
    return await parts.correcting.ask(lambda: parts.store.versions(parts.shelf.name))


def _names(served: Served) -> tuple[str, str]:
    return served.bundle.name, served.bundle.called


def _called(row: dict[str, Any]) -> str:
    return f"{row['name']}@{row['number']}"


def _model(name: str, rows: list[dict[str, Any]], served: Served) -> dict[str, Any]:
    created = next(int(row["created"]) for row in rows if _called(row) == served.bundle.called)
    return {"id": name, "object": "model", "created": created, "owned_by": "feilun"}
