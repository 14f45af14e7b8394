"""Writes by a vLLM server: the same routes, its texts. Access, bounds, ids and logs stay ours."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from feilun.core.errors import FeilunError, InputError
from feilun.parts.ops import next_token
from feilun.stages.deployment.serving.language import shapes
from feilun.stages.deployment.serving.language.engine import Note, Piece
from feilun.stages.deployment.serving.language.writer import Ready
from feilun.stages.deployment.serving.replies import Refused

if TYPE_CHECKING:
    from feilun.core.recipe import Serve
    from feilun.parts.ops.continuing import Pen
    from feilun.stages.deployment.serving.language.asking import Asked

URL, KEY = "FEILUN_ENGINE_URL", "FEILUN_ENGINE_KEY"  # environment variables: its address, its API key
EVENT = b"data:"
DONE = b"[DONE]"


class Remote:
    """The server at serve.engine_url. pen: of our bundle, for rows in the log. Raises InputError for no address."""

    def __init__(self, pen: Pen, settings: Serve) -> None:
        self._pen, self._settings = pen, settings
        self._url = settings.engine_url or os.environ.get(URL, "")
        self._model: str | None = None
        self._inside = 0
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"serve.engine is vllm, and its address is {self._url!r}; expected one such as http://127.0.0.1:8001, "
                f"in serve.engine_url or in the environment variable {URL}.",
                where="serve.engine_url",
                expected="http://HOST:PORT",
                got=self._url,
                fix="engine_url: http://127.0.0.1:8001",
            )

    @property
    def counts(self) -> dict[str, int]:
        """{writing}: texts."""
        return {"writing": self._inside}

    def ready(self, asked: Asked) -> Ready:
        """Raises Refused 503 if the server cannot be reached."""
        rows = [self._pen.row(prompt) for prompt in asked.prompts]
        path, body = self._translated(asked)
        usage: dict[str, int] = {}
        return Ready(
            rows=[row for row in rows for _ in range(asked.n)],
            pieces=lambda key: self._pieces(path, body, len(rows) * asked.n, usage),
            usage=lambda written: usage or shapes.usage(0, written),
        )

    async def _pieces(self, path: str, body: bytes, texts: int, usage: dict[str, int]) -> AsyncIterator[Piece]:
        if self._inside + texts > self._settings.queue + self._settings.slots:
            raise Refused(503, f"{self._inside} texts are written already.", retry_after_s=1, where="serve.queue")
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes | FeilunError]()
        connection = self._connection()

        def deliver(event: bytes | FeilunError) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server stops
                loop.call_soon_threadsafe(queue.put_nowait, event)

        self._inside += texts
        threading.Thread(target=self._read, args=(connection, path, body, deliver), daemon=True).start()
        tokens: dict[int, int] = {}
        open_ = set(range(texts))
        try:
            while (event := await queue.get()) != DONE:
                if isinstance(event, FeilunError):
                    raise event
                told = self._read_event(event)
                if told.get("error"):
                    raise self._refused(_status(told), event)
                usage.update(_usage(told))
                for choice in told.get("choices", ()):
                    piece = _piece(choice, tokens)
                    open_ -= {piece.choice} if piece.finish else set()
                    yield piece
            if open_:  # half a text is no answer
                raise self._unreachable(EOFError("its answer broke off"))
        finally:
            self._inside -= texts
            # The server stops writing when its client goes away; closing alone waits for the reading thread.
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _read_event(self, event: bytes) -> dict[str, Any]:
        try:
            told = json.loads(event)
        except ValueError as error:
            raise self._unreachable(error) from error
        return told if isinstance(told, dict) else {}

    def _read(self, connection: Any, path: str, body: bytes, deliver: Callable[[bytes | FeilunError], None]) -> None:
        """Every event of the answer; an error, or DONE, at last."""
        try:
            connection.request("POST", path, body, self._headers())
            answer = connection.getresponse()
            if answer.status != 200:
                deliver(self._refused(answer.status, answer.read(10_000)))
                return
            for line in answer:
                if line.startswith(EVENT):
                    deliver(line[len(EVENT) :].strip())
        except (OSError, http.client.HTTPException) as error:
            deliver(self._unreachable(error))
        finally:
            connection.close()
            deliver(DONE)

    def _translated(self, asked: Asked) -> tuple[str, bytes]:
        """(path, body) of the same request there, streamed."""
        plain = asdict(next_token.Drawing())
        drawn = {name: value for name, value in asdict(asked.drawing).items() if value != plain[name]}
        body = {
            "model": self._served_there(),
            "n": asked.n,
            "max_tokens": asked.longest,
            "temperature": 0.0,
            **drawn,
            "seed": asked.seed,
            "stop": list(asked.stops),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if isinstance(asked.prompts[0], str):
            told = {} if asked.told is None else {"logprobs": asked.told}
            return "/v1/completions", json.dumps({**body, **told, "prompt": asked.prompts}).encode()
        told = {} if asked.told is None else {"logprobs": True, "top_logprobs": asked.told}
        messages = [{"role": role, "content": said} for role, said in asked.prompts[0]]
        held = {"name": "answer", "schema": asked.schema}
        form = {} if asked.schema is None else {"response_format": {"type": "json_schema", "json_schema": held}}
        return "/v1/chat/completions", json.dumps({**body, **told, **form, "messages": messages}).encode()

    def _served_there(self) -> str:
        """The name of its model, asked once."""
        if self._model is None:
            connection = self._connection()
            try:
                connection.request("GET", "/v1/models", headers=self._headers())
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    raise self._refused(answer.status, content)
                self._model = str(json.loads(content)["data"][0]["id"])
            except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
                raise self._unreachable(error) from error
            finally:
                connection.close()
        return self._model

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(str(parts.hostname), parts.port, timeout=self._settings.timeout_s)

    def _headers(self) -> dict[str, str]:
        key = os.environ.get(KEY)
        return {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def _unreachable(self, error: Exception) -> Refused:
        return Refused(
            503,
            f"The vLLM server of this model does not answer: {type(error).__name__}. Its address is serve.engine_url.",
            retry_after_s=5,
            where="serve.engine_url",
            expected="a vLLM server",
            got=type(error).__name__,
            fix="start it, or correct serve.engine_url",
        )

    def _refused(self, status: int, content: bytes) -> Refused:
        """What it says of the request; of itself only that it failed."""
        try:
            told = json.loads(content)
            said = str((told.get("error") or told)["message"])
        except (ValueError, LookupError, TypeError, AttributeError):
            said = "no reason"
        if status in (400, 413, 422):
            return Refused(400, f"vLLM refused this: {said}", where="", expected="what vLLM takes", got=said)
        return Refused(503, f"vLLM answered with status {status}.", retry_after_s=5, where="serve.engine_url")


def _status(told: Mapping[str, Any]) -> int:
    """Of an error that came behind the first part of an answer."""
    error = told["error"]
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) else 500


def _usage(told: Mapping[str, Any]) -> dict[str, int]:
    found = told.get("usage")
    return shapes.usage(int(found["prompt_tokens"]), int(found.get("completion_tokens") or 0)) if found else {}


def _piece(choice: Mapping[str, Any], tokens: dict[int, int]) -> Piece:
    """Of a chunk's choice; a chunk without log-probabilities counts as a token."""
    index = int(choice["index"])
    text = choice.get("text") if "text" in choice else (choice.get("delta") or {}).get("content")
    notes = tuple(_notes(choice.get("logprobs") or {}))
    tokens[index] = tokens.get(index, 0) + (len(notes) or bool(text))
    finish = choice.get("finish_reason")
    return Piece(choice=index, text=text or "", tokens=tokens[index], notes=notes, finish=finish)


def _notes(told: Mapping[str, Any]) -> list[Note]:
    if "tokens" in told:
        best = told.get("top_logprobs") or [{}] * len(told["tokens"])
        known = zip(told["tokens"], told["token_logprobs"], best, strict=True)
        return [
            Note(
                text=text,
                log=log,
                bytes=None,
                likeliest=tuple(Note(text=one, log=its, bytes=None) for one, its in (top or {}).items()),
            )
            for text, log, top in known
        ]
    return [_note(one) for one in told.get("content") or ()]


def _note(told: Mapping[str, Any]) -> Note:
    written = told.get("bytes")
    return Note(
        text=told["token"],
        log=told["logprob"],
        bytes=None if written is None else bytes(written),
        likeliest=tuple(map(_note, told.get("top_logprobs") or ())),
    )
