"""response_format of /v1/chat/completions: answers that are JSON of a schema, asked for by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest
from http_client import ask
from writing_bundle import ANSWERS, NAME

from feilun.core.recipe import Serve
from feilun.stages.deployment.serving import server

ASKED: Any = {"model": NAME, "messages": [{"role": "user", "content": "count"}]}
DEEP: dict[str, Any] = {"$defs": {"n0": {"type": "null"}}, "$ref": "#/$defs/n9"}
for n in range(1, 10):  # read in 6 ** 9 ways
    inner = {"$ref": f"#/$defs/n{n - 1}"}
    options = [{"properties": {"a": inner, z: {"const": 1}}, "required": ["a", z]} for z in "uvwxyz"]
    DEEP["$defs"][f"n{n}"] = {"anyOf": options}


class Part(pydantic.BaseModel):
    """One part."""

    name: str = pydantic.Field(max_length=8)
    kind: Literal["good", "bad"] | None


class Report(pydantic.BaseModel):
    """As pydantic spells a schema: with references, titles, alternatives."""

    parts: list[Part] = pydantic.Field(min_length=1, max_length=3)
    total: int


@pytest.fixture(name="address")
def served(talk: Path) -> Iterator[str]:
    settings = Serve(port=0, slots=4, max_tokens=200, content_label="[made by a machine]")
    with server.background(talk, NAME, settings, {}) as where:
        yield where


@pytest.fixture(name="client")
def connected(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("temperature", [0, 2])
def test_the_client_parses_what_it_asked_for(client: openai.OpenAI, temperature: float) -> None:
    made = client.chat.completions.parse(**ASKED, response_format=Report, n=3, temperature=temperature, seed=1)
    for choice in made.choices:
        assert choice.finish_reason == "stop" and isinstance(choice.message.parsed, Report)
    with client.chat.completions.stream(**ASKED, response_format=Report, temperature=temperature, seed=1) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == made.choices[0].message.parsed


@pytest.mark.parametrize("tokens", [24, 40, 80])
def test_the_last_token_is_there_where_the_text_ends_for_want_of_room(client: openai.OpenAI, tokens: int) -> None:
    shape = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": shape}}
    for seed in range(6):
        asked = {**ASKED, "response_format": form, "max_tokens": tokens, "temperature": 1.5, "seed": seed}
        [choice] = client.chat.completions.create(**asked).choices
        assert choice.finish_reason == "stop" and json.loads(choice.message.content or "").keys() == {"a"}
        streamed = client.chat.completions.create(**asked, stream=True)
        assert "".join(one.choices[0].delta.content or "" for one in streamed) == choice.message.content


def test_any_object_and_a_beginning_where_there_is_no_room(client: openai.OpenAI) -> None:
    form: Any = {"type": "json_object"}
    said = client.chat.completions.create(**ASKED, response_format=form, temperature=2, seed=3)
    assert said.choices[0].finish_reason == "stop"
    assert isinstance(json.loads(said.choices[0].message.content or ""), dict)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(**ASKED, response_format=Report, max_tokens=5)


def test_predict_holds_to_a_schema_too_and_says_the_label_beside_it(address: str) -> None:
    asked = {"row": {"talk": ASKED["messages"]}, "options": {"schema": Report.model_json_schema(), "temperature": 2}}
    answer = ask(address, "/v1/predict", asked)[1]["predictions"][0]["answer"]
    assert Report.model_validate_json(answer["text"]) and answer["content_label"] == "[made by a machine]"


@pytest.mark.parametrize(
    "form, more, message",
    [
        ({"type": "xml"}, {}, "json_object"),
        ({"type": "json_schema"}, {}, "json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, {}, "a JSON schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"pattern": "a"}}}, {}, "schema.pattern"),
        ({"type": "json_object"}, {"stop": "}"}, "nothing beside response_format"),
        ({"type": "json_schema", "json_schema": {"schema": DEEP}}, {}, "fewer ways to read one text"),
    ],
    ids=str,
)
def test_what_it_cannot_be_held_to_is_told_and_neighbours_go_on(
    address: str, form: Any, more: dict[str, Any], message: str
) -> None:
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(ask, address, "/v1/chat/completions", {**ASKED, "temperature": 0})
        status, told, _ = ask(address, "/v1/chat/completions", {**ASKED, "response_format": form, **more})
        assert status == 400 and message in told["error"]["message"], told
        said = other.result()[1]["choices"][0]["message"]["content"]
    assert said.startswith(ANSWERS["count"]) and said.endswith("[made by a machine]")
