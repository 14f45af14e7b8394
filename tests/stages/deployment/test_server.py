"""The server answers, takes feedback, and says no in JSON to everything else."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.core.recipe import Serve
from feilun.parts.store import PredictionLog, Store
from feilun.parts.store.predictions import read
from feilun.stages.deployment.serving import server

SETTINGS = Serve(port=0, body_mb=0.1, rows=8, queue=2, timeout_s=5)


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    with server.background(home, "my", SETTINGS, {"/": b"<p>page"}) as where:
        yield where


def test_predict_answers_with_version_and_id(address: str, home: Path) -> None:
    status, said, headers = ask(address, "/v1/predict", {"rows": [ROW, {"width": -9, "height": None}]})
    assert status == 200 and said["model"] == "my@1" and headers["x-content-type-options"] == "nosniff"
    assert [one["answer"]["label"] for one in said["predictions"]] == ["plus", "minus"]
    assert len({one["id"] for one in said["predictions"]}) == 2
    single = ask(address, "/v1/predict", {"row": ROW, "options": {"wait_s": 0.0}})[1]
    assert single["predictions"][0]["answer"] == said["predictions"][0]["answer"]


def test_predictions_are_logged_with_row_and_version(home: Path) -> None:
    with server.background(home, "my", SETTINGS, {}) as address:
        id = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]["id"]
    (record,) = read(home / "my" / "predictions").records
    assert record["id"] == id and record["row"] == ROW and record["version"] == 1 and record["latency_s"] > 0
    with server.background(home, "my", SETTINGS, {}) as address:  # after a restart the row comes from the log
        assert ask(address, "/v1/feedback", {"id": id, "answer": "minus"})[0] == 200
    with Store.open(home) as store:
        assert store.feedback("my")[0]["row"] == ROW


def test_feedback_is_stored_with_its_row_once(address: str, home: Path) -> None:
    one = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]
    first = ask(address, "/v1/feedback", {"id": one["id"], "answer": "minus"})
    assert first[:2] == (200, {"id": one["id"], "model": "my@1", "saved": "new"})
    assert ask(address, "/v1/feedback", {"id": one["id"], "answer": "minus"})[1]["saved"] == "already"
    assert ask(address, "/v1/feedback", {"id": one["id"], "answer": "plus"})[0] == 409
    wrong = ask(address, "/v1/feedback", {"id": one["id"], "answer": "minsu"})
    assert wrong[0] == 422 and wrong[1]["error"]["expected"] == "minus, plus"
    assert ask(address, "/v1/feedback", {"id": "00000001-" + "0" * 24, "answer": "plus"})[0] == 404
    with Store.open(home) as store:
        (kept,) = store.feedback("my")
    assert kept["row"] == ROW and kept["correction"] == "minus" and kept["answer"] == one["answer"]


def test_a_contradicting_correction_is_refused_in_readable_words(address: str, home: Path) -> None:
    one = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]
    with Store.open(home) as store:
        store.add_feedback(id=one["id"], name="my", version=1, row=ROW, answer=one["answer"], correction="差评")
    status, said, _ = ask(address, "/v1/feedback", {"id": one["id"], "answer": "minus"})
    assert status == 409 and "差评" in said["error"]["message"] and "差评" in said["error"]["expected"]


def test_a_log_that_cannot_be_written_is_told_and_feedback_still_works(home: Path) -> None:
    folder = home / "my" / "predictions"
    with server.background(home, "my", SETTINGS, {}) as address:
        shutil.rmtree(folder)
        id = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]["id"]
        _until(lambda: "log" in ask(address, "/health/ready")[1])
        told = ask(address, "/health/ready")[1]
        assert told == {"ready": True, "model": "my@1", "degraded": True, "log": "failing"}
        assert "feilun_log_failed 1" in ask(address, "/metrics")[1]
        assert "feilun_log_failing 1" in ask(address, "/metrics")[1]
        assert ask(address, "/v1/predict", {"row": ROW})[1]["log"] == "failing"
        assert ask(address, "/v1/feedback", {"id": id, "answer": "minus"})[0] == 200
        folder.mkdir()
        ask(address, "/v1/predict", {"row": ROW})
        _until(lambda: "log" not in ask(address, "/health/ready")[1])
        assert "log" not in ask(address, "/v1/predict", {"row": ROW})[1]


def _until(is_so: Callable[[], bool]) -> None:
    """The log is written behind the request's back, so this asks until it was."""
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline


def test_reading_routes(address: str) -> None:
    schema = ask(address, "/v1/schema")[1]
    assert schema["inputs"]["width"]["kind"] == "number" and schema["options"] == {"wait_s": 0.0}
    assert [row["champion"] for row in ask(address, "/v1/models")[1]["models"]] == [True, False]
    assert ask(address, "/health/live")[1] == {"live": True}
    assert ask(address, "/health/ready")[1] == {"ready": True, "model": "my@1"}
    paths = ask(address, "/openapi.json")[1]["paths"]
    assert {"/v1/predict", "/v1/feedback", "/metrics"} <= set(paths)
    page = ask(address, "/")
    assert page[1] == "<p>page" and "default-src 'none'" in page[2]["content-security-policy"]
    ask(address, "/nowhere")
    metrics = ask(address, "/metrics")[1]
    assert 'feilun_requests_total{path="/v1/schema",status="200"} 1' in metrics
    assert 'feilun_requests_total{path="other",status="404"} 1' in metrics
    assert 'feilun_model{name="my",version="1"} 1' in metrics


HOSTILE = [
    (b"[" * 10_000, 400, "nested"),
    (b'{"row": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", 400, "nested"),
    (b"", 400, "not JSON"),
    (b"\xff\xfe\x00", 400, "not UTF-8"),
    (b'{"row": {"width": NaN, "height": 1}}', 400, "NaN"),
    (b'{"row": {"width": Infinity, "height": 1}}', 400, "Infinity"),
    (b'{"row": {"width": 1e999, "height": 1}}', 400, "too large"),
    (b'{"row": {"width": ' + b"9" * 5000 + b', "height": 1}}', 400, "too large"),
    (b"[1]", 400, "not an object"),
    (b"{}", 422, "`rows`"),
    (b'{"rows": [], "row": {}}', 422, "one `row`"),
    (b'{"rowz": []}', 422, "rowz"),
    (b'{"rows": {}}', 422, "rows"),
    (b'{"rows": []}', 422, "no rows"),
    (b'{"rows": [], "options": []}', 422, "options"),
    (b'{"rows": [' + b",".join([b"1"] * 40_000) + b"]}", 413, "at most 8"),
    (b'{"row": {"widht": 1, "height": 1}}', 422, "Did you mean 'width'"),
    (b'{"row": {"width": "wide", "height": 1}}', 422, "wide"),
    (b'{"row": {"width": [[1]], "height": 1}}', 422, "width"),
    (b'{"row": {"width": 1, "height": 2}, "options": {"wait": 1}}', 422, "wait_s"),
    (b'{"row": 1}', 422, "an object"),
    (b'{"row": "' + b"x" * 200_000 + b'"}', 413, "larger than 0.1 MB"),
    (b'{"row": {"width": "' + b"\\ud800" + b'", "height": 1}}', 400, "width"),
]


@pytest.mark.parametrize(("body", "expected", "words"), HOSTILE)
def test_hostile_bodies_get_an_answer_in_json(address: str, body: bytes, expected: int, words: str) -> None:
    status, said, _ = ask(address, "/v1/predict", body)
    assert status == expected, said
    assert set(said["error"]) == {"code", "message", "where", "expected", "got", "fix"}
    assert words in said["error"]["message"] and "Traceback" not in json.dumps(said)
    assert ask(address, "/v1/predict", {"row": ROW})[0] == 200


def test_too_much_is_refused_before_it_is_read(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: " + host.encode() + b"\r\nContent-Length: 9999999999\r\n\r\n{"
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 413")


def test_wrong_addresses_methods_and_bytes(address: str) -> None:
    assert ask(address, "/v2/else")[0] == 404
    assert ask(address, "/v1/predict")[0] == 405
    assert ask(address, "/../../etc/passwd")[0] == 404
    assert ask(address, "/docs")[0] == 404  # FastAPI's own page loads from elsewhere; pages bring their own


def test_answers_are_not_held_back_by_the_network_stack() -> None:
    with server._bound("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY only then


def test_a_full_queue_says_when_to_come_back(address: str) -> None:
    slow = {"row": ROW, "options": {"wait_s": 0.3}}
    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda _: ask(address, "/v1/predict", slow), range(12)))
    statuses = {status for status, _, _ in got}
    assert statuses == {200, 503}
    assert all(headers["retry-after"] == "1" for status, _, headers in got if status == 503)
    assert ask(address, "/v1/predict", {"row": ROW})[0] == 200


def test_an_answer_that_takes_too_long_is_given_up(home: Path) -> None:
    settings = SETTINGS.model_copy(update={"timeout_s": 0.2})
    with server.background(home, "my", settings, {}) as address:
        status, said, _ = ask(address, "/v1/predict", {"row": ROW, "options": {"wait_s": 0.6}})
    assert status == 504 and "0.2 s" in said["error"]["message"]


def test_our_own_bug_is_hidden_and_written_down(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with server.background(home, "my", SETTINGS, {}) as address:
        monkeypatch.setattr(PredictionLog, "new_id", lambda self: 1 / 0)
        status, said, _ = ask(address, "/v1/predict", {"row": ROW})
    assert status == 500 and said["error"]["code"] == "error" and "ZeroDivision" not in json.dumps(said)
    assert any(record.exc_info for record in caplog.get_records("call") if record.levelno == logging.ERROR)
