"""serve.engine: vllm, against a server that speaks as vLLM does: one of our own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import writing_bundle
from http_client import ask
from writing_bundle import ANSWERS, NAME

from feilun.core.errors import InputError
from feilun.core.recipe import Serve
from feilun.parts.store.predictions import read
from feilun.stages.deployment.serving import server

CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "count"}], "temperature": 0}


@pytest.fixture(scope="module", name="there")
def remote(talking: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = writing_bundle.house(tmp_path_factory.mktemp("there"), talking)
    with server.background(home, NAME, Serve(port=0, max_tokens=100), {}) as where:
        yield where


def served(home: Path, there: str, **settings: Any) -> Any:
    return server.background(home, NAME, Serve(port=0, engine="vllm", engine_url=there, **settings), {})


def test_texts_are_those_of_vllm_and_ids_logs_and_bounds_ours(talk: Path, there: str) -> None:
    with served(talk, there, max_tokens=90, content_label="AI") as address:
        _, whole, _ = ask(address, CHAT, {**BODY, "logprobs": True, "top_logprobs": 2})
        assert whole["choices"][0]["message"]["content"] == ANSWERS["count"] + "\n\nAI"
        assert whole["usage"]["completion_tokens"] == len(ANSWERS["count"]) and whole["usage"]["prompt_tokens"] == 8
        assert len(whole["choices"][0]["logprobs"]["content"]) == len(ANSWERS["count"])
        text = ask(address, CHAT, {**BODY, "stream": True, "n": 2, "stop": "six", "top_p": 0.5})[1]
        events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        for index in range(2):
            mine = [event["choices"][0] for event in events if event["choices"][0]["index"] == index]
            said = "".join(choice["delta"].get("content", "") for choice in mine)
            assert said == ANSWERS["count"].partition("six")[0] + "\n\nAI" and mine[-1]["finish_reason"] == "stop"
        made = ask(address, "/v1/completions", {"prompt": ["count", "count"], "temperature": 0, "logprobs": 1})[1]
        assert [choice["text"] for choice in made["choices"]] == [ANSWERS["count"][:16] + "\n\nAI"] * 2
        assert len(made["choices"][0]["logprobs"]["tokens"]) == 16
        assert ask(address, CHAT, {**BODY, "max_tokens": 91})[0] == 400
        assert ask(address, "/v1/feedback", {"id": whole["id"], "thumb": "up"})[0] == 200
    records = read(talk / NAME / "predictions").records
    assert len(records) == 5 and records[0]["id"] == whole["id"] and records[0]["row"] == {"talk": BODY["messages"]}
    assert records[0]["answer"]["text"] == ANSWERS["count"]


def test_what_vllm_refuses_is_told(talk: Path, there: str) -> None:
    with served(talk, there, max_tokens=200) as address:
        for body in ({**BODY, "max_tokens": 150}, {**BODY, "max_tokens": 150, "stream": True}):
            status, said, _ = ask(address, CHAT, body)
            assert status == 400 and "from 1 to 100" in said["error"]["message"]


@pytest.mark.parametrize(
    ("behind", "status"),
    [
        (b"", 503),
        (b'data: {"error": {"message": "out of memory", "code": 500}}\n\ndata: [DONE]\n\n', 503),
        (b'data: {"error": {"message": "too long", "code": 400}}\n\ndata: [DONE]\n\n', 400),
        (b"data: [DONE]\n\n", 503),
        (b"data: {half\n\n", 503),
    ],
)
def test_half_an_answer_is_an_error(talk: Path, behind: bytes, status: int) -> None:
    choice = {"index": 0, "delta": {"content": "The dose is 5"}, "finish_reason": None}
    with (
        breaking(f"data: {json.dumps({'choices': [choice]})}\n\n".encode() + behind) as there,
        served(talk, there) as at,
    ):
        assert ask(at, CHAT, BODY)[0] == status
        text = ask(at, CHAT, {**BODY, "stream": True})[1]
        assert "The dose is 5" in text and '"error"' in text


@contextmanager
def breaking(content: bytes) -> Iterator[str]:
    """A server that begins an answer as vLLM does, and says this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(json.dumps({"data": [{"id": "theirs"}]}).encode())

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(content)

        def _send(self, said: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


def test_a_server_that_cannot_be_reached_is_told_and_so_is_no_address(
    talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        with served(talk, f"http://127.0.0.1:{taken.getsockname()[1]}") as address:
            status, said, headers = ask(address, CHAT, BODY)
            assert status == 503 and "does not answer" in said["error"]["message"] and headers["retry-after"]
    monkeypatch.delenv("FEILUN_ENGINE_URL", raising=False)
    for url in (None, "file:///etc/passwd", "127.0.0.1:8001"):
        with pytest.raises(InputError, match="engine_url"), served(talk, url):  # type: ignore[arg-type]
            pass
