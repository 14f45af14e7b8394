"""/v1/embeddings over a bundle whose answers are vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import vector_task
from http_client import ask

from feilun import lifecycle
from feilun.core.recipe import Recipe, Serve
from feilun.parts.store.predictions import read
from feilun.stages.deployment.serving import server

TEXTS = ["abc", "你好", "ab"]


@pytest.fixture(name="house")
def packed(environment: dict[str, str], tmp_path: Path) -> Path:
    return vector_task.house(tmp_path / "home")


@pytest.fixture(name="address")
def served(house: Path) -> Iterator[str]:
    with server.background(house, "vec", Serve(port=0), {}) as where:
        yield where


def test_vectors_are_those_of_predict_in_both_codings(address: str, house: Path) -> None:
    rows = {"rows": [{"text": text} for text in TEXTS]}
    wanted = [one["answer"]["embedding"] for one in ask(address, "/v1/predict", rows)[1]["predictions"]]
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        for coding in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
            made = client.embeddings.create(model="vec", input=TEXTS, **coding)  # type: ignore[arg-type]
            if coding.get("encoding_format") != "base64":  # without it the client asks for base64 and reads it
                assert [one.embedding for one in made.data] == wanted
            assert [one.index for one in made.data] == [0, 1, 2] and made.model == "vec@1"
            assert made.usage.prompt_tokens == made.usage.total_tokens == sum(map(len, TEXTS)) + 3
        alone = client.embeddings.create(model="vec@1", input="你好")
        assert alone.data[0].embedding == wanted[1]
        with pytest.raises(openai.BadRequestError, match="writes no texts"):
            client.completions.create(model="vec", prompt="x")
        assert [model.id for model in client.models.list()] == ["vec", "vec@1"]
    told = ask(address, "/v1/embeddings", {"input": "abc"})[1]["data"][0]
    assert ask(address, "/v1/feedback", {"id": told["id"], "thumb": "down"})[1]["saved"] == "new"


def test_what_was_asked_is_logged_without_its_vectors(house: Path) -> None:
    with server.background(house, "vec", Serve(port=0), {}) as address:
        ask(address, "/v1/embeddings", {"input": TEXTS})
    records = read(house / "vec" / "predictions").records
    assert [one["row"] for one in records] == [{"text": text} for text in TEXTS]
    assert [one["answer"] for one in records] == [{"dimensions": 3}] * 3


def test_a_task_that_gives_vectors_when_asked_is_asked(environment: dict[str, str], tmp_path: Path) -> None:
    """Matching answers with matches; here with nothing but vectors of length 1."""
    keys = {"name": "m", "data": {"source": "builtin:matching"}, "evaluate": {"bootstrap": 100}}
    recipe = Recipe.model_validate({**keys, "train": {"epochs": 1}, "optimize": {"quantize": "none"}})
    lifecycle.run_recipe(recipe, home=tmp_path, base=tmp_path)
    with server.background(tmp_path, "m", Serve(port=0), {}) as address:
        told = ask(address, "/v1/embeddings", {"input": ["where is my parcel", "🙂"]})[1]["data"]
        said = ask(address, "/v1/predict", {"rows": [{"question": "where is my parcel"}]})[1]["predictions"]
        _what_cannot_be_embedded(address)
        _what_is_longer_than_is_read(address)
    bundle = lifecycle.load(lifecycle.bundle_folder("m", tmp_path))
    answers = bundle.predict([{"question": text} for text in (None, " \t", "a")], embedding=True, duplicates=0.5)
    empty = {"embedding": None, "duplicate_of": None, "matches": [], "reason": "the text is empty"}
    assert answers[:2] == [empty, empty] and len(answers[2]["matches"]) == 10 and "reason" not in answers[2]
    assert [sum(number**2 for number in one["embedding"]) for one in told] == pytest.approx([1, 1], abs=1e-4)
    assert list(said[0]["answer"]) == ["matches"]


def _what_cannot_be_embedded(address: str) -> None:
    """By the official client, since it is the one that reads the errors."""
    wrong: list[tuple[Any, str]] = [
        ("", r"input\[0\] is empty"),
        ("  \n", r"input\[0\] is empty"),
        (["a", ""], r"input\[1\] is empty"),
        ([], "list of texts"),
        (["a", 3], "expected texts"),
        ([[1, 2]], "token numbers"),
        ({"a": 1}, "list of texts"),
        (["a"] * 3000, "3,000 texts; at most 256"),
    ]
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        for given, words in wrong:
            with pytest.raises(openai.BadRequestError, match=words) as refused:
                client.embeddings.create(model="m", input=given)
            assert (refused.value.param, refused.value.type) == ("input", "invalid_request_error")
        assert len(client.embeddings.create(model="m", input=["a"] * 256).data) == 256
        with pytest.raises(openai.APIStatusError) as large:
            client.embeddings.create(model="m", input="a " * 10_000_000)
    assert large.value.status_code == 413 and large.value.type == "invalid_request_error"


def _what_is_longer_than_is_read(address: str) -> None:
    """A megabyte is answered, and the answer says what was read of it."""
    long, cut = "word " * 200_000, {"question": {"read": 256, "of": 200_000}}
    told = ask(address, "/v1/embeddings", {"input": ["short", long]})[1]
    assert "cut" not in told["data"][0] and told["data"][1]["cut"] == cut
    assert told["usage"]["prompt_tokens"] == 257
    said = ask(address, "/v1/predict", {"rows": [{"question": long}, {"question": "short"}]})[1]["predictions"]
    assert said[0]["cut"] == cut and "cut" not in said[1]
