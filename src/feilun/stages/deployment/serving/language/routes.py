"""OpenAI's routes over what serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from feilun.stages.deployment.serving import limits, replies
from feilun.stages.deployment.serving.language import asking, embedding, model_list, schemas, sending
from feilun.stages.deployment.serving.language.answering import Answering, Order
from feilun.stages.deployment.serving.language.shapes import Form
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.stages.deployment.serving.app import Parts
    from feilun.stages.deployment.serving.models import Served

Read = Callable[[Mapping[str, Any], "Serve"], asking.Asked]


def add(app: FastAPI, parts: Parts) -> None:
    """The three that answer."""

    @app.post("/v1/chat/completions", openapi_extra=schemas.CHAT, summary="Answer messages, as OpenAI's API does")
    async def chat(request: Request) -> Response:
        return await _written(request, parts, Form(is_chat=True), asking.chat)

    @app.post("/v1/completions", openapi_extra=schemas.COMPLETION, summary="Go on with a text, as OpenAI's API does")
    async def completions(request: Request) -> Response:
        return await _written(request, parts, Form(is_chat=False), asking.completion)

    @app.post("/v1/embeddings", openapi_extra=schemas.EMBEDDING, summary="Vectors of texts, as OpenAI's API does")
    async def embeddings(request: Request) -> Response:
        body = limits.parsed(await request.body())
        served = parts.shelf.current
        asked = embedding.asked(body, parts.settings.rows)
        model_list.require(served, asked.model)
        if not served.embeds:
            raise _cannot(served, "makes no embeddings", "/v1/predict")
        made = await parts.predicting.ask(lambda: embedding.answer(served.bundle, asked, parts.log))
        parts.counters.plain["rows"] += len(asked.texts)
        return replies.answer(made)


async def _written(request: Request, parts: Parts, form: Form, read: Read) -> Response:
    asked = read(limits.parsed(await request.body()), parts.settings)
    served, outgoing, timeout_s = parts.shelf.current, parts.outgoing, parts.settings.timeout_s
    model_list.require(served, asked.model)
    writer = served.writer
    if writer is None:
        raise _cannot(served, "writes no texts", "/v1/predict")
    if asked.told is not None and outgoing.filter is not None:
        raise Refused(
            400, "Texts are filtered here, and their tokens are not told. Leave logprobs out.", where="logprobs"
        )
    ready = await parts.predicting.ask(lambda: writer.ready(asked))
    order = Order(
        form=form,
        served=served,
        rows=ready.rows,
        pieces=ready.pieces(request.state.caller),
        usage=ready.usage,
        cut=ready.cut,
        with_notes=asked.told is not None,
        with_usage=asked.include_usage,
        is_held=asked.schema is not None,
    )
    answering = Answering(order, parts.log, outgoing)
    parts.counters.plain["rows"] += len(ready.rows)
    if asked.stream:
        return sending.Events(answering.chunks(), timeout_s, outgoing.headers())
    made = await sending.watched(request.receive, answering.whole(), timeout_s)
    return replies.answer(made, headers=outgoing.headers())


def _cannot(served: Served, what: str, instead: str) -> Refused:
    return Refused(
        400,
        f"{served.bundle.called}, of the task {served.bundle.manifest['task']}, {what}. Ask {instead}.",
        where="model",
        expected="another route",
        got=served.bundle.called,
        fix=f"ask {instead}",
    )
