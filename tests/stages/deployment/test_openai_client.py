"""The official client of OpenAI's API works against our server, without a word changed."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from http_client import ask
from writing_bundle import ANSWERS, NAME

from feilun.core.recipe import Serve
from feilun.stages.deployment.serving import server
from feilun.stages.deployment.serving.language.engine import Note
from feilun.stages.deployment.serving.language.shapes import Choice, Form

SETTINGS = Serve(port=0, slots=3, max_tokens=200)
GREEDY: dict[str, Any] = {"model": NAME, "temperature": 0}


@pytest.fixture(name="address")
def served(talk: Path) -> Iterator[str]:
    with server.background(talk, NAME, SETTINGS, {}) as where:
        yield where


@pytest.fixture(name="client")
def connected(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("asked", ANSWERS)
def test_an_answer_whole_and_streamed(client: openai.OpenAI, asked: str) -> None:
    whole = client.chat.completions.create(messages=user(asked), **GREEDY)
    assert whole.choices[0].message.content == ANSWERS[asked] and whole.choices[0].finish_reason == "stop"
    assert whole.model == f"{NAME}@1" and whole.object == "chat.completion"
    written = len(ANSWERS[asked].encode())
    assert whole.usage is not None and (whole.usage.completion_tokens, whole.usage.total_tokens) == (
        written,
        written + len(asked.encode()) + 3,
    )
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(messages=user(asked), stream=True, stream_options=options, **GREEDY)  # type: ignore[call-overload]
    )
    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == ANSWERS[asked] and len(said) > 10
    assert not any("\ufffd" in piece for piece in said), "a chunk with half a character"
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[1].choices[0].delta.role is None
    assert [chunk.choices[0].finish_reason for chunk in chunks[-3:-1]] == [None, "stop"]
    assert chunks[-1].usage == whole.usage and not chunks[-1].choices
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"} and len({chunk.id for chunk in chunks}) == 1


def test_a_prompt_that_was_not_read_whole_says_so(client: openai.OpenAI) -> None:
    long = user("x" * 400)
    options: dict[str, Any] = {**GREEDY, "max_tokens": 2, "n": 2}
    for choice in client.chat.completions.create(messages=user("x"), **options).choices:
        assert choice.model_extra is not None and "cut" not in choice.model_extra
    for choice in client.chat.completions.create(messages=long, **options).choices:
        assert choice.model_extra is not None
        assert choice.model_extra["cut"] == {"messages": {"read": 128, "of": 403}}
    chunks = client.chat.completions.create(messages=long, stream=True, **options)
    said = [chunk.choices[0] for chunk in chunks]
    assert [("cut" in (one.model_extra or {})) for one in said] == [one.finish_reason is not None for one in said]
    prompts = ["a", "y" * 400]
    short, long_one = client.completions.create(prompt=prompts, max_tokens=2, **GREEDY).choices
    assert "cut" not in (short.model_extra or {}) and "cut" in (long_one.model_extra or {})


def test_a_text_is_cut_at_a_stop_that_comes_in_several_tokens(client: openai.OpenAI) -> None:
    stopped = client.chat.completions.create(messages=user("count"), stop=["never", "five s"], **GREEDY)
    assert stopped.choices[0].message.content == "one two three four " and stopped.choices[0].finish_reason == "stop"
    chunks = client.chat.completions.create(messages=user("你好"), stop="转起", stream=True, **GREEDY)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "你好！👍🏽 飞轮"


def test_several_texts_are_drawn_each_its_own_way(client: openai.OpenAI) -> None:
    drawn: dict[str, Any] = {"messages": user("x"), "model": NAME, "temperature": 2, "seed": 5, "max_tokens": 12}
    several = client.chat.completions.create(n=4, **drawn)
    texts = [choice.message.content for choice in several.choices]
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3] and len(set(texts)) == 4
    assert several.usage is not None and several.usage.completion_tokens > 30
    alone = client.chat.completions.create(**drawn)
    assert alone.choices[0].message.content == texts[0], "the first is what is drawn alone"
    streamed: dict[int, str] = {}
    for chunk in client.chat.completions.create(n=4, stream=True, **drawn):
        choice = chunk.choices[0]
        streamed[choice.index] = streamed.get(choice.index, "") + (choice.delta.content or "")
    assert [streamed[index] for index in range(4)] == texts
    for seed in (6, 5 + (1 << 32), -5):
        other = client.chat.completions.create(**{**drawn, "seed": seed})
        assert other.choices[0].message.content != texts[0]


def test_log_probabilities_are_those_of_the_distribution(client: openai.OpenAI) -> None:
    told = client.chat.completions.create(messages=user("count"), logprobs=True, top_logprobs=20, **GREEDY)
    assert told.choices[0].logprobs is not None and told.choices[0].logprobs.content is not None
    notes = told.choices[0].logprobs.content
    assert "".join(note.token for note in notes) == ANSWERS["count"]
    for note in notes:
        assert note.bytes == list(note.token.encode()) and note.top_logprobs[0].token == note.token
        assert 0.9 < sum(math.exp(top.logprob) for top in note.top_logprobs) <= 1 + 1e-9
    plain = client.completions.create(prompt="count", logprobs=2, max_tokens=200, **GREEDY)
    assert plain.choices[0].logprobs is not None
    assert plain.choices[0].logprobs.token_logprobs == [note.logprob for note in notes]
    assert plain.choices[0].logprobs.text_offset == list(range(len(notes)))
    streamed = client.chat.completions.create(messages=user("hello"), logprobs=True, stream=True, **GREEDY)
    seen = [note for chunk in streamed if chunk.choices[0].logprobs for note in chunk.choices[0].logprobs.content or ()]
    written = [note.bytes or [] for note in seen]
    assert b"".join(map(bytes, written)) == ANSWERS["hello"].encode(), "also those of parts of characters"
    assert {len(one) for one in written} == {1} and "\ufffd" in {note.token for note in seen}


def test_tokens_stand_where_their_letters_begin() -> None:
    notes = [Note(text="\ufffd", log=-1.0, bytes=one.to_bytes()) for one in "你".encode()]
    notes += [
        Note(text="a", log=-1.0, bytes=b"a"),
        Note(text="bc", log=-1.0, bytes=None),
        Note(text="d", log=-1.0, bytes=b"d"),
    ]
    choice = Choice(index=0, id="x", text="你abcd", notes=notes, finish="stop", start=5)
    assert Form(is_chat=False).whole(choice)["logprobs"]["text_offset"] == [5, 5, 5, 6, 7, 9]


def test_completions_of_several_prompts(client: openai.OpenAI) -> None:
    made = client.completions.create(prompt=["count", "你好"], **GREEDY)
    assert [choice.text for choice in made.choices] == ["one two three fo", "你好！👍"]
    assert [choice.finish_reason for choice in made.choices] == ["length", "length"]
    assert made.object == "text_completion" and made.usage is not None and made.usage.completion_tokens == 32
    chunks = client.completions.create(prompt="count", stream=True, **GREEDY)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "one two three fo"


def test_the_models(client: openai.OpenAI, address: str) -> None:
    assert [model.id for model in client.models.list()] == [NAME, f"{NAME}@1"]
    for name in (NAME, f"{NAME}@1"):
        assert client.models.retrieve(name) in list(client.models.list())
    for name in (f"{NAME}@2", "gpt-4", "a/b", "你好"):
        with pytest.raises(openai.NotFoundError, match="There is no model") as unknown:
            client.models.retrieve(name)
        assert (unknown.value.code, unknown.value.param, unknown.value.type) == (
            "model_not_found",
            "model",
            "not_found_error",
        )
    assert 'path="/v1/models/{model:path}",status="404"} 4' in ask(address, "/metrics")[1]
    ours = ask(address, "/v1/models")[1]
    assert ours["serving"] == f"{NAME}@1" and [one["champion"] for one in ours["models"]] == [True, False]


def test_errors_are_those_that_the_client_knows(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="gpt-4", messages=user("x"))
    assert unknown.value.code == "model_not_found" and unknown.value.param == "model"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model=NAME, messages=user("x"), n=1000)
    assert (wrong.value.param, wrong.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="embeddings"):
        client.embeddings.create(model=NAME, input="x")


def test_many_at_once_get_what_each_gets_alone(address: str) -> None:
    """More than there are slots, greedy and drawn ones, of different lengths."""
    wanted: list[dict[str, Any]] = [
        {
            "messages": user(asked),
            "model": NAME,
            "temperature": temperature,
            "seed": 3,
            "max_tokens": 20 + 7 * place,
            "logprobs": True,
        }
        for place, asked in enumerate([*ANSWERS, "what", "x" * 150])
        for temperature in (0, 1.5)
    ]

    async def asked(together: bool) -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            calls = [client.chat.completions.create(**one) for one in wanted]
            return list(await asyncio.gather(*calls)) if together else [await call for call in calls]

    alone, together = asyncio.run(asked(False)), asyncio.run(asked(True))
    for one, other in zip(alone, together, strict=True):
        assert one.choices[0].message.content == other.choices[0].message.content
        assert one.choices[0].finish_reason == other.choices[0].finish_reason and one.usage == other.usage
        sums = [sum(note.logprob for note in answer.choices[0].logprobs.content) for answer in (one, other)]
        assert sums[0] == pytest.approx(sums[1], abs=1e-3)  # sums of float32 in another order


def test_predict_goes_on_to_answer_the_same(client: openai.OpenAI, address: str) -> None:
    for options, more in (({}, {"temperature": 0}), ({"temperature": 1.2, "seed": 9}, {"temperature": 1.2, "seed": 9})):
        row = {"talk": user("count")}
        status, said, _ = ask(address, "/v1/predict", {"row": row, "options": {"max_length": 60, **options}})
        answer = said["predictions"][0]["answer"]
        chat = client.chat.completions.create(model=NAME, messages=user("count"), max_tokens=60, **more)  # type: ignore[call-overload]
        assert status == 200 and answer["text"] == chat.choices[0].message.content
        assert answer["finish"] == chat.choices[0].finish_reason
    assert json.dumps(answer)
