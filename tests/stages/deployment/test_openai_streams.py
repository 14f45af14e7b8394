"""Streams that break off, requests that take too long, a swap in the middle, and what of all that is logged."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from http_client import ask
from writing_bundle import ANSWERS, NAME

from feilun.core.recipe import Serve
from feilun.parts.store import Store
from feilun.parts.store.predictions import read
from feilun.stages.deployment.serving import server

CHAT = "/v1/chat/completions"
USER = [{"role": "user", "content": "count"}]
FORM = {"type": "json_schema", "json_schema": {"name": "long", "schema": {"type": "string", "minLength": 3000}}}
LONG = {"messages": USER, "temperature": 3, "seed": 2, "n": 8, "max_tokens": 4096, "response_format": FORM}


@pytest.fixture(name="address")
def served(talk: Path) -> Iterator[str]:
    with server.background(talk, NAME, Serve(port=0, max_tokens=4096, cache_mb=64, timeout_s=300), {}) as where:
        yield where


def opened(address: str, body: Any) -> socket.socket:
    """A connection over which this was asked."""
    parts = urlsplit(address)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=60)
    content = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(content)}\r\n\r\n"
    connection.sendall(head.encode() + content)
    return connection


def metric(address: str, name: str) -> int:
    found = re.search(rf"^feilun_{re.escape(name)} (\d+)$", ask(address, "/metrics")[1], re.M)
    return int(found[1]) if found else -1


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline


def test_a_stream_that_is_left_frees_its_slots_and_is_logged_as_far_as_it_came(address: str, talk: Path) -> None:
    with opened(address, {**LONG, "stream": True}) as connection:
        assert b"200 OK" in connection.recv(1000)
        assert metric(address, "texts_writing") > 0
    until(lambda: metric(address, "texts_writing") == 0)
    until(lambda: metric(address, "log_written") == 8)
    records = read(talk / NAME / "predictions").records
    assert "cancelled" in {one["answer"]["finish"] for one in records} <= {"cancelled", "stop"}
    assert all(one["row"] == {"talk": USER} and 0 < one["answer"]["tokens"] < 4096 for one in records)


def test_an_answer_that_nobody_waits_for_is_no_longer_written(address: str) -> None:
    with opened(address, LONG):
        until(lambda: metric(address, "texts_writing") > 0)
    until(lambda: metric(address, "texts_writing") == 0)
    until(lambda: metric(address, f'requests_total{{path="{CHAT}",status="499"}}') == 1)
    assert metric(address, "log_written") == 0


def test_what_takes_too_long_ends_with_an_error(talk: Path) -> None:
    with server.background(talk, NAME, Serve(port=0, max_tokens=4096, timeout_s=0.2), {}) as address:
        status, said, headers = ask(address, CHAT, LONG)
        assert status == 504 and headers["retry-after"] == "1" and "longer than 0.2 s" in said["error"]["message"]
        events = events_of(ask(address, CHAT, {**LONG, "stream": True})[1])
        assert set(events[-1]["error"]) == {"message", "type", "param", "code"} and len(events) > 1
        until(lambda: metric(address, "texts_writing") == 0)


def events_of(text: str) -> list[Any]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ") and line != "data: [DONE]"]


def test_a_stream_in_the_form_of_server_sent_events(address: str) -> None:
    status, text, headers = ask(address, CHAT, {"messages": USER, "temperature": 0, "stream": True})
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    assert text.endswith("data: [DONE]\n\n") and all(one.startswith("data: ") for one in text.split("\n\n")[:-1])
    said = [event["choices"][0]["delta"].get("content", "") for event in events_of(text)]
    assert "".join(said) == ANSWERS["count"]


def test_requests_in_flight_end_on_the_model_that_they_began_with(address: str, talk: Path) -> None:
    with Store.open(talk) as store, opened(address, {**LONG, "n": 3, "stream": True}) as connection:
        received = connection.recv(1000)
        store.promote(NAME, 2, reason="better")
        until(lambda: ask(address, "/health/ready")[1]["model"] == f"{NAME}@2")
        fresh = ask(address, CHAT, {"messages": USER, "temperature": 0})[1]
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(100_000)
    assert fresh["model"] == f"{NAME}@2" and fresh["choices"][0]["message"]["content"] == ANSWERS["count"]
    text = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", received).decode("utf-8", "replace")
    assert text.count(f'"model":"{NAME}@1"') > 5 and f"{NAME}@2" not in text and "[DONE]" in text


def test_ids_lead_to_feedback_and_thumbs(address: str, talk: Path) -> None:
    told = ask(address, CHAT, {"messages": USER, "temperature": 0, "n": 2})[1]
    ids = [choice["id"] for choice in told["choices"]]
    assert told["id"] == ids[0] and len(set(ids)) == 2
    assert ask(address, "/v1/feedback", {"id": ids[0], "answer": "one, two"})[1]["saved"] == "new"
    for id, thumb, saved in ((ids[0], "up", "new"), (ids[1], "up", "new"), (ids[1], "down", "changed")):
        said = ask(address, "/v1/feedback", {"id": id, "thumb": thumb})
        assert said[:2] == (200, {"id": id, "model": f"{NAME}@1", "saved": saved})
    assert ask(address, "/v1/feedback", {"id": ids[1], "thumb": "down"})[1]["saved"] == "already"
    for wrong in ({"id": ids[0], "thumb": "sideways"}, {"id": ids[0], "thumb": "up", "answer": "x"}, {"thumb": "up"}):
        assert ask(address, "/v1/feedback", wrong)[0] == 422
    assert ask(address, "/v1/feedback", {"id": "00000001-" + "0" * 24, "thumb": "up"})[0] == 404
    with Store.open(talk) as store:
        assert [one["correction"] for one in store.feedback(NAME)] == ["one, two"]
        thumbs = store.thumbs(NAME)
    assert {one["id"]: one["thumb"] for one in thumbs} == {ids[0]: "up", ids[1]: "down"}
    assert thumbs[0]["row"] == {"talk": USER} and thumbs[0]["version"] == 1
    assert thumbs[0]["answer"]["text"] == ANSWERS["count"] and thumbs[0]["answer"]["finish"] == "stop"
