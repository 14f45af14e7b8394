"""What may be asked of OpenAI's routes, and how they say no; every bound is checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import writing_bundle
from http_client import ask
from tiny_bundle import ROW

from feilun.core.recipe import Serve
from feilun.parts.store import Store
from feilun.stages.deployment.serving import server

USER = [{"role": "user", "content": "hello"}]
CHAT, COMPLETION, EMBEDDING = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@pytest.fixture(scope="module", name="address")
def served(talking: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = writing_bundle.house(tmp_path_factory.mktemp("house"), talking)
    with server.background(home, writing_bundle.NAME, Serve(port=0, max_tokens=64, cache_mb=0.5), {}) as where:
        yield where


WRONG: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {}, "messages"),
    (CHAT, {"messages": []}, "messages"),
    (CHAT, {"messages": "hello"}, "messages"),
    (CHAT, {"messages": [*USER, {"role": "robot", "content": "x"}]}, "messages[1]"),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages[0]"),
    (CHAT, {"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]}, "messages[0].tool_calls"),
    (CHAT, {"messages": USER, "n": 0}, "n"),
    (CHAT, {"messages": USER, "n": 9}, "n"),
    (CHAT, {"messages": USER, "n": 10**12}, "n"),
    (CHAT, {"messages": USER, "n": True}, "n"),
    (CHAT, {"messages": USER, "max_tokens": 65}, "max_tokens"),
    (CHAT, {"messages": USER, "max_tokens": 10**9}, "max_tokens"),
    (CHAT, {"messages": USER, "max_completion_tokens": 0}, "max_completion_tokens"),
    (CHAT, {"messages": USER, "max_completion_tokens": 3, "max_tokens": 4}, "max_tokens"),
    (CHAT, {"messages": USER, "temperature": -1}, "temperature"),
    (CHAT, {"messages": USER, "temperature": "hot"}, "temperature"),
    (CHAT, {"messages": USER, "top_p": 1.5}, "top_p"),
    (CHAT, {"messages": USER, "top_k": -1}, "top_k"),
    (CHAT, {"messages": USER, "presence_penalty": 3}, "presence_penalty"),
    (CHAT, {"messages": USER, "frequency_penalty": -3}, "frequency_penalty"),
    (CHAT, {"messages": USER, "seed": 1.5}, "seed"),
    (CHAT, {"messages": USER, "stop": ["x"] * 9}, "stop"),
    (CHAT, {"messages": USER, "stop": [""]}, "stop"),
    (CHAT, {"messages": USER, "stop": "x" * 65}, "stop"),
    (CHAT, {"messages": USER, "stream": "yes"}, "stream"),
    (CHAT, {"messages": USER, "stream_options": 3}, "stream_options"),
    (CHAT, {"messages": USER, "logprobs": 3}, "logprobs"),
    (CHAT, {"messages": USER, "logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    (CHAT, {"messages": USER, "top_logprobs": 2}, "top_logprobs"),
    (CHAT, {"messages": USER, "tools": [{"type": "function"}]}, "tools"),
    (CHAT, {"messages": USER, "logit_bias": {"5": 100}}, "logit_bias"),
    (CHAT, {"messages": USER, "store": True}, "store"),
    (CHAT, {"messages": USER, "modalities": ["audio"]}, "modalities"),
    (CHAT, {"messages": USER, "reasoning_effort": "high"}, "reasoning_effort"),
    (CHAT, {"messages": USER, "no_such_thing": 1}, "no_such_thing"),
    (CHAT, {"messages": USER, "prompt": "x"}, "prompt"),
    (CHAT, {"messages": USER, "model": 3}, "model"),
    (COMPLETION, {}, "prompt"),
    (COMPLETION, {"prompt": [1, 2, 3]}, "prompt"),
    (COMPLETION, {"prompt": []}, "prompt"),
    (COMPLETION, {"prompt": ["x"] * 9}, "prompt"),
    (COMPLETION, {"prompt": ["x"] * 5, "n": 2}, "n"),
    (COMPLETION, {"prompt": "x", "logprobs": 6}, "logprobs"),
    (COMPLETION, {"prompt": "x", "echo": True}, "echo"),
    (COMPLETION, {"prompt": "x", "best_of": 2}, "best_of"),
    (COMPLETION, {"prompt": "x", "suffix": "y"}, "suffix"),
    (EMBEDDING, {"input": 3}, "input"),
    (EMBEDDING, {"input": ["x"] * 300}, "input"),
    (EMBEDDING, {"input": [""]}, "input"),
    (EMBEDDING, {"input": "x", "dimensions": 3}, "dimensions"),
    (EMBEDDING, {"input": "x", "encoding_format": "int8"}, "encoding_format"),
]


@pytest.mark.parametrize(("path", "body", "param"), WRONG, ids=lambda value: str(value)[:60])
def test_what_may_not_be_asked_is_told_in_openais_shape(
    address: str, path: str, body: dict[str, Any], param: str
) -> None:
    status, said, _ = ask(address, path, body)
    assert status == 400 and set(said["error"]) == {"message", "type", "param", "code"}
    assert said["error"]["code"] == "invalid_value"
    assert said["error"]["param"] == param and said["error"]["type"] == "invalid_request_error"
    assert param.rpartition(".")[2] in said["error"]["message"]


def test_what_changes_nothing_may_be_said(address: str) -> None:
    harmless = {"user": "u", "metadata": {"a": "b"}, "store": False, "tools": [], "logit_bias": {}, "top_p": None}
    plain = {"response_format": {"type": "text"}, "parallel_tool_calls": True, "service_tier": "auto", "seed": 1}
    body = {"messages": USER, "max_tokens": 3, **harmless, **plain}
    status, said, _ = ask(address, CHAT, body)
    assert status == 200 and said["usage"]["completion_tokens"] == 3
    parts = [{"role": "user", "content": [{"type": "text", "text": "hello"}], "name": "me", "tool_calls": None}]
    assert ask(address, CHAT, {"messages": parts, "temperature": 0})[1]["choices"][0]["message"]["content"][:2] == "Hi"


def test_errors_of_the_server_itself_have_that_shape_on_these_routes_only(address: str) -> None:
    status, said, _ = ask(address, CHAT, b"{")
    assert status == 400 and set(said["error"]) == {"message", "type", "param", "code"}
    assert set(ask(address, "/v1/predict", b"{")[1]["error"]) > {"where", "expected", "got", "fix"}
    for path in ("/v1/models", "/v1/models/my"):
        status, said, _ = ask(address, path, {})
        assert status == 405 and set(said["error"]) == {"message", "type", "param", "code"}
    status, said, _ = ask(address, CHAT, {"messages": USER, "model": "other"})
    assert status == 404 and said["error"]["code"] == "model_not_found"


def test_a_key_is_needed_where_there_are_keys(talk: Path) -> None:
    with Store.open(talk) as store:
        key = store.add_key("somebody")
    with server.background(talk, writing_bundle.NAME, Serve(port=0), {}) as address:
        for path in (CHAT, COMPLETION, EMBEDDING):
            status, said, headers = ask(address, path, {})
            assert (status, said["error"]["code"]) == (401, "invalid_api_key") and "www-authenticate" in headers
        for path in ("/v1/models", f"/v1/models/{writing_bundle.NAME}"):
            status, said, _ = ask(address, path)
            assert (status, said["error"]["code"]) == (401, "invalid_api_key")
        told = ask(address, CHAT, {"messages": USER, "max_tokens": 2}, {"Authorization": f"Bearer {key}"})
        assert told[0] == 200


def test_a_small_request_takes_little_memory(address: str) -> None:
    """All that 65 bytes can ask for: eight texts of as many tokens as are allowed; the cache stays within 0.5 MB."""
    status, said, _ = ask(address, COMPLETION, {"prompt": "x", "n": 8, "max_tokens": 64, "temperature": 9})
    assert status == 200 and len(said["choices"]) == 8
    with_cache = 2 * 2 * 4 * 16 * 4 * 96 * 2  # bytes of one text: layers, keys and values, heads, size, tokens, copy
    assert 8 * with_cache > 0.5e6 > with_cache


def test_where_too_many_wait_the_client_is_told_when_to_come_back(talk: Path) -> None:
    with server.background(talk, writing_bundle.NAME, Serve(port=0, slots=1, queue=1), {}) as address:
        for more in ({}, {"stream": True}):
            status, said, headers = ask(address, CHAT, {"messages": USER, "n": 3, **more})
            assert status == 503 and headers["retry-after"] == "1" and said["error"]["type"] == "server_error"
        assert ask(address, CHAT, {"messages": USER, "n": 2})[0] == 200


def test_a_model_that_goes_on_with_texts_has_no_chat(tmp_path: Path) -> None:
    made = writing_bundle.learnt(tmp_path / "made", "text")
    home = writing_bundle.house(tmp_path / "home", made, "text")
    with server.background(home, writing_bundle.NAME, Serve(port=0), {}) as address:
        status, said, _ = ask(address, CHAT, {"messages": USER})
        assert status == 400 and "/v1/completions" in said["error"]["message"]
        told = ask(address, COMPLETION, {"prompt": "one two three", "temperature": 0, "max_tokens": 9})[1]
        assert told["choices"][0]["text"] == " four fiv"


def test_a_bundle_that_writes_nothing_says_so(home: Path) -> None:
    with server.background(home, "my", Serve(port=0), {}) as address:
        for path, body in ((CHAT, {"messages": USER}), (COMPLETION, {"prompt": "x"}), (EMBEDDING, {"input": "x"})):
            status, said, _ = ask(address, path, body)
            assert status == 400 and "/v1/predict" in said["error"]["message"]
        assert ask(address, "/v1/predict", {"row": ROW})[0] == 200
