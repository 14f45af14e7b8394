"""Texts that are cut are counted, of the training rows alone, and said with the key that decides."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from feilun import lifecycle
from feilun.core import manifest
from feilun.core.progress import Heard
from feilun.core.recipe import Recipe
from feilun.stages.data.telling import shortened


@pytest.mark.parametrize("tokens", ["words", "characters"])
def test_the_share_of_cut_texts_is_told(tmp_path: Path, tokens: str) -> None:
    """Of every four texts one has 9 words, one 6, which is just what is read."""
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for number in range(80):
            count = (9, 6, 2, 3)[number % 4]
            out.writerow([" ".join(chr(97 + (number + place) % 26) for place in range(count)), ("a", "b")[number % 2]])
    most = {"words": 6, "characters": 11}[tokens]
    inputs = {"text": {"kind": "text", "tokens": tokens, "max_length": most}}
    given = {
        "name": "my",
        "data": {"source": "rows.csv", "split": {"by": "stratified"}},
        "inputs": inputs,
        "target": "label",
    }
    whole = lifecycle.call("data", "resolve", Recipe.model_validate(given), base=tmp_path)
    say = Heard()
    made, _ = lifecycle.make_stages(whole, ("data",), tmp_path / "my" / "1", lifecycle.Given(base=tmp_path, say=say))
    found = manifest.read(made["data"])
    assert found is not None
    [line] = [one for one in found.facts["cleaning"] if one["what"] == "cut texts"]
    train = found.facts["splits"]["train"]
    assert 0.1 < line["rows"] / train < 0.4
    assert line["key"] == f"inputs.text.max_length: {9 if tokens == 'words' else 17}"
    assert any(line["key"] in said for said in say.lines)
    foretold = lifecycle.call("data", "check_rows", whole, base=tmp_path)  # what `feilun check` says
    assert line in foretold["cleaning"]


def test_pairs_that_do_not_fit_are_told(tmp_path: Path) -> None:
    pairs = [{"ask": f"how {n}", "good": "yes " * (1 + n % 10), "bad": "no"} for n in range(60)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
    recipe = Recipe.model_validate(
        {
            "name": "pairs",
            "task": "text_generation",
            "data": {"source": "pairs.jsonl", "near": "ignore"},
            "inputs": {"ask": {"kind": "text", "tokens": "characters", "context": 32}},
            "target": {"columns": ["good"], "rejected": "bad"},
        }
    )
    say = Heard()
    whole = lifecycle.call("data", "resolve", recipe, base=tmp_path)
    made, _ = lifecycle.make_stages(whole, ("data",), tmp_path / "p" / "1", lifecycle.Given(base=tmp_path, say=say))
    found = manifest.read(made["data"])
    assert found is not None
    [line] = [one for one in found.facts["cleaning"] if one["what"] == "cut pairs"]
    assert 0.3 < line["rows"] / found.facts["splits"]["train"] < 0.7 and line["key"].startswith("inputs.ask.context: ")
    assert any("the question loses its beginning" in one for one in say.lines)
    [answers] = [one for one in found.facts["cleaning"] if one["what"] == "cut answers"]
    assert 0 < answers["rows"] < found.facts["splits"]["train"] and any(
        "the answer loses its end" in one for one in say.lines
    )


def test_dialogues_that_do_not_fit_are_told_before_and_after(tmp_path: Path) -> None:
    """One of ten is longer than the context; of more rows than are looked at before a run, about as many."""
    chats = [
        [{"role": "user", "content": f"how {n}"}, {"role": "assistant", "content": "yes " * (20 if n % 10 == 0 else 2)}]
        for n in range(4000)
    ]
    (tmp_path / "chats.jsonl").write_text("\n".join(json.dumps({"talk": chat}) for chat in chats), encoding="utf-8")
    given = {
        "name": "chats",
        "task": "text_generation",
        "data": {"source": "chats.jsonl", "near": "ignore", "split": {"test": 0.1, "gate": 0.1, "validation": 0.1}},
        "inputs": {"talk": {"kind": "dialogue", "tokens": "characters", "context": 32}},
    }
    whole = lifecycle.call("data", "resolve", Recipe.model_validate(given), base=tmp_path)
    made, _ = lifecycle.make_stages(whole, ("data",), tmp_path / "c" / "1", lifecycle.Given(base=tmp_path, say=Heard()))
    found = manifest.read(made["data"])
    assert found is not None
    foretold = lifecycle.call("data", "check_rows", whole, base=tmp_path)
    train = found.facts["splits"]["train"]
    assert train > shortened.SEEN
    for lines in (found.facts["cleaning"], foretold["cleaning"]):
        [line] = [one for one in lines if one["what"] == "long dialogues"]
        assert 0.08 < line["rows"] / train < 0.13 and line["key"].startswith("inputs.talk.context: ")
