"""Generated text carries its label and passes the filter, on every route by which it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from http_client import ask
from writing_bundle import ANSWERS, NAME

from feilun.core.errors import InputError
from feilun.core.recipe import Serve
from feilun.parts.store.predictions import read
from feilun.stages.deployment.serving import server
from feilun.stages.deployment.serving.language import outgoing

LABEL = "（内容由人工智能生成）"
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"messages": [{"role": "user", "content": "count"}], "temperature": 0}


def events_of(text: str) -> list[Any]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def test_the_label_stands_behind_every_text_and_in_header_and_field(talk: Path) -> None:
    wanted = f"{ANSWERS['count']}\n\n{LABEL}"
    with server.background(talk, NAME, Serve(port=0, content_label=LABEL), {}) as address:
        _, whole, headers = ask(address, CHAT, {**BODY, "n": 2})
        assert [choice["message"]["content"] for choice in whole["choices"]] == [wanted] * 2
        assert whole["content_label"] == LABEL and headers["x-ai-generated"] == "true"
        assert whole["usage"]["completion_tokens"] == 2 * len(ANSWERS["count"])
        _, text, headers = ask(address, CHAT, {**BODY, "stream": True})
        assert "".join(one["choices"][0]["delta"].get("content", "") for one in events_of(text)) == wanted
        assert headers["x-ai-generated"] == "true" and events_of(text)[-1]["content_label"] == LABEL
        _, said, headers = ask(address, "/v1/predict", {"row": {"talk": BODY["messages"]}})
        assert said["predictions"][0]["answer"]["text"] == wanted and headers["x-ai-generated"] == "true"
        assert "x-ai-generated" not in ask(address, "/health/live")[2]
    logged = {one["answer"]["text"] for one in read(talk / NAME / "predictions").records}
    assert logged == {ANSWERS["count"]}, "what is learnt from is the text without its label"


def test_the_filter_sees_whole_texts_and_nothing_passes_it_by(talk: Path, tmp_path: Path) -> None:
    file = tmp_path / "decent.py"
    file.write_text("def filter(text: str) -> str:\n    return text.replace('six seven', '***')\n", encoding="utf-8")
    wanted = ANSWERS["count"].replace("six seven", "***")
    with server.background(talk, NAME, Serve(port=0, output_filter=str(file)), {}) as address:
        assert ask(address, CHAT, BODY)[1]["choices"][0]["message"]["content"] == wanted
        events = events_of(ask(address, CHAT, {**BODY, "stream": True})[1])
        assert [one["choices"][0]["delta"].get("content", "") for one in events] == [wanted], "held back, then whole"
        status, said, _ = ask(address, CHAT, {**BODY, "logprobs": True})
        assert status == 400 and said["error"]["param"] == "logprobs", "tokens would tell what the filter took"
        row = {"row": {"talk": BODY["messages"]}}
        assert ask(address, "/v1/predict", row)[1]["predictions"][0]["answer"]["text"] == wanted
    assert {one["answer"]["text"] for one in read(talk / NAME / "predictions").records} == {wanted}


@pytest.mark.parametrize("content", ["def filter(text):\n    return None\n", "def filter(text):\n    return 1 / 0\n"])
def test_where_the_filter_fails_nothing_leaves(content: str, talk: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(content, encoding="utf-8")
    with server.background(talk, NAME, Serve(port=0, output_filter=str(file)), {}) as address:
        for body in (BODY, {**BODY, "stream": True}):
            status, said, _ = ask(address, CHAT, body)
            assert status == 500 and "seven" not in json.dumps(said) and said["error"]["type"] == "server_error"
        assert ask(address, "/v1/predict", {"row": {"talk": BODY["messages"]}})[0] == 500


def test_an_error_inside_a_stream_is_one_that_the_client_raises(talk: Path, tmp_path: Path) -> None:
    """After the first text has passed the second one fails: what was sent stays, and the slots are free."""
    file = tmp_path / "picky.py"
    file.write_text("def filter(text):\n    return text if '飞轮' not in text else 1 / 0\n", encoding="utf-8")
    with (
        server.background(talk, NAME, Serve(port=0, output_filter=str(file), max_tokens=200), {}) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        asked: dict[str, Any] = {"model": NAME, "temperature": 0, "max_tokens": 200, "stream": True}
        said = []
        with pytest.raises(openai.APIError, match="error of its own") as failed:
            for chunk in client.completions.create(prompt=["count", "你好"], **asked):
                said.append(chunk.choices[0].text)
        assert said == [ANSWERS["count"]] and failed.value.type == "server_error"
        chunks = client.completions.create(prompt="count", **asked)
        assert "".join(chunk.choices[0].text for chunk in chunks) == ANSWERS["count"]
        assert "feilun_texts_writing 0" in ask(address, "/metrics")[1]


def test_without_its_filter_nothing_is_served(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("", encoding="utf-8")
    for file in (tmp_path / "none.py", tmp_path / "empty.py", "https://example.org/filter.py"):
        with pytest.raises(InputError, match="def filter"):
            outgoing.of(Serve(output_filter=str(file)))
