"""Text generation: what is learnt and judged, token by token, and what a request may ask for."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from feilun.core import discover
from feilun.core.errors import DataError, InputError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.bundle.answering import answer_rows
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.features.dialogue import ASSISTANT, END, START, USER
from feilun.parts.metrics import likelihood
from feilun.parts.ops import continuing
from feilun.parts.ops.ragged import Ragged, collate
from feilun.tasks import text_generation
from feilun.tasks.text_generation import writing

TASK = discover.task("text_generation")
TEXTS = ["the cat sat on the mat and looked at the moon", "no", "", "a dog ran over the hill to the sea"]
ROWS = {"text": TEXTS, "ask": ["who sat", "what", "yes or no", "who ran"], "say": ["the cat", "it", "no", "a dog"]}


def plain(**options: Any) -> Recipe:
    given = {"kind": "text", "tokens": "characters", "context": 8, **options}
    return Recipe.model_validate(
        {
            "name": "t",
            "task": "text_generation",
            "inputs": {"text": given},
            "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
        }
    )


def asking() -> Recipe:
    given = {"kind": "text", "tokens": "characters", "context": 8}
    return Recipe.model_validate(
        {
            "name": "t",
            "task": "text_generation",
            "inputs": {"ask": given},
            "target": {"columns": ["say"]},
            "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
        }
    )


def chatting() -> Recipe:
    given = {"kind": "dialogue", "tokens": "characters", "context": 8}
    plain_one = plain().model_dump()
    return Recipe.model_validate({**plain_one, "inputs": {"chat": given}})


CHAT = [{"role": "user", "content": "who sat"}, {"role": "assistant", "content": "the cat on the mat"}]
CHATS = [CHAT, [*CHAT, {"role": "user", "content": "and"}, {"role": "assistant", "content": "no"}]]


def test_of_dialogues_what_the_assistant_says_is_taught_judged_and_gone_on_with() -> None:
    recipe, rows = chatting(), {"chat": CHATS}
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    text = features["text"]
    made, owners = TASK.examples({"text": text.encode(rows)}, recipe)
    windows = [(made["text"][place][1:], made["learnt"][place][1:] > 0) for place in np.flatnonzero(owners == 1)]
    said = [int(token) for window, learnt in windows for token in window[learnt]]
    assert text.decode(said) == "the cat on the matno" and said.count(END) == 2
    assert TASK.truth({"chat": CHATS[1]}, recipe) == "the cat on the matno"
    with initialised(0):
        networks = TASK.build(recipe, features)
    example = {"text": torch.zeros(2, 5, dtype=torch.int64), "text_length": torch.tensor([5, 3])}
    run = TorchRunner(TASK.graphs(networks, example))
    state = TASK.settle(run, {}, features, recipe)
    assert [one["tokens"] for one in answer_rows(TASK, run, features, state, rows, judged=True)] == [19, 22]
    asked = answer_rows(TASK, run, features, state, {"chat": [CHAT[:1]]}, max_length=5)
    assert asked[0]["tokens"] <= 5
    corrected = TASK.correct({"chat": CHAT[:1]}, "the dog", recipe)
    assert corrected["chat"] == [CHAT[0], {"role": "assistant", "content": "the dog"}]
    with pytest.raises(DataError, match="no answer to learn from"):
        TASK.examples({"text": text.encode({"chat": [[]]})}, recipe)


def fitted(recipe: Recipe) -> dict[str, Any]:
    return {name: feature.fit(ROWS) for name, feature in TASK.features(recipe).items()}


def trained(recipe: Recipe) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(runner, features, state) of a network that has learnt nothing, but feels every token."""
    features = fitted(recipe)
    with initialised(0):
        networks = TASK.build(recipe, features)
    for weight in networks["main"].parameters():
        weight.data.mul_(4)
    example = {"text": torch.zeros(2, 5, dtype=torch.int64), "text_length": torch.tensor([5, 3])}
    run = TorchRunner(TASK.graphs(networks, example))
    return run, features, TASK.settle(run, {}, features, recipe)


@pytest.mark.parametrize("recipe", [plain(), asking()], ids=["plain", "asking"])
def test_windows_teach_every_token_once_and_no_other(recipe: Recipe) -> None:
    features = fitted(recipe)
    arrays = {name: feature.encode(ROWS) for name, feature in features.items()}
    made, rows = TASK.examples(arrays, recipe)
    answered = "answer" in arrays
    for row in range(4):
        own = [place for place in range(len(rows)) if rows[place] == row]
        taught: list[int] = []
        for place in own:
            window = made["text"][place]
            assert 2 <= len(window) <= 9, "eight tokens and the one behind them"
            counts = made["learnt"][place][1:] if answered else np.ones(len(window) - 1, int)
            taught += window[1:][counts > 0].tolist()
        wanted = arrays["answer"][row].tolist() if answered else [*arrays["text"][row][1:].tolist(), END]
        assert taught == wanted


def test_a_question_stands_between_its_marks() -> None:
    arrays = {name: feature.encode(ROWS) for name, feature in fitted(asking()).items()}
    assert arrays["text"][0][:2].tolist() == [START, USER] and arrays["text"][0][-1] == ASSISTANT


def test_the_loss_is_that_of_the_answer_alone() -> None:
    """The question's own tokens change nothing in what is counted, only in what is foretold from."""
    recipe = asking()
    features = fitted(recipe)
    with initialised(0):
        networks = TASK.build(recipe, features)
    arrays = {name: feature.encode(ROWS) for name, feature in features.items()}
    made, _ = TASK.examples(arrays, recipe)
    batch = {
        name: torch.from_numpy(array)
        for name, array in collate({k: v.take(np.arange(len(v))) for k, v in made.items()}).items()
    }
    network = networks["main"].eval()
    with torch.no_grad():
        got = TASK.objective(networks, batch, "main")
        for row in range(len(got)):
            length = int(batch["text_length"][row])
            tokens, learnt = batch["text"][row, :length].to(torch.int64), batch["learnt"][row, :length]
            logs = network(tokens=tokens[None, :-1])["logits"][0].log_softmax(1)
            each = -logs[torch.arange(length - 1), tokens[1:]]
            assert float(got[row]) == pytest.approx(float(each[learnt[1:] > 0].mean()), abs=1e-5)


@pytest.mark.parametrize("recipe", [plain(), asking()], ids=["plain", "asking"])
def test_likelihoods_are_sums_over_every_token_behind_half_a_context(recipe: Recipe) -> None:
    run, features, state = trained(recipe)
    found = answer_rows(TASK, run, features, state, ROWS, judged=True)
    arrays = {name: feature.encode(ROWS) for name, feature in features.items()}
    network = run._graphs["step"].module.network
    for row, one in enumerate(found):
        asked, answer = arrays["text"][row], arrays["answer"][row] if "answer" in arrays else np.zeros(0, np.int32)
        tokens = torch.from_numpy(np.concatenate([asked, answer])).to(torch.int64)
        nats = 0.0
        for place in range(len(asked) if len(answer) else 1, len(tokens)):
            start = 4 * max(0, math.ceil((place - 8) / 4))  # a context of 8: from the ninth token on half is seen
            with torch.no_grad():
                logs = network(tokens=tokens[None, start:place])["logits"][0, -1].log_softmax(0)
            nats -= float(logs[tokens[place]])
        assert one["nats"] == pytest.approx(nats, abs=1e-3)
        assert one["tokens"] == len(answer if "answer" in arrays else TEXTS[row])


def test_writing_ends_where_it_is_told_to() -> None:
    run, features, state = trained(plain())
    rows = {"text": ["the c", "a dog"]}
    said = answer_rows(TASK, run, features, state, rows, max_length=30)
    assert all(one["tokens"] <= 30 and 0 < one["confidence"] <= 1 for one in said)
    long = next(one for one in said if len(one["text"]) > 6)
    cut = answer_rows(TASK, run, features, state, rows, max_length=30, stop=[long["text"][2:5]])
    assert cut[said.index(long)]["text"] == long["text"][: long["text"].find(long["text"][2:5])]
    assert cut[said.index(long)]["finish"] == "stop"
    drawn = [
        answer_rows(TASK, run, features, state, rows, temperature=1.0, seed=seed)
        for seed in (1, 1, 2, 1 + (1 << 32), -1)
    ]
    assert drawn[0] == drawn[1] and all(drawn[0] != other for other in drawn[2:])


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 0},
        {"max_length": 10**9},
        {"max_length": True},
        {"temperature": -1},
        {"top_p": 2.0},
        {"top_k": -1},
        {"stop": [""]},
        {"stop": ["x"] * 9},
        {"stop": 3},
        {"seed": 1 << 63},
    ],
    ids=str,
)
def test_what_may_not_be_asked_is_told(options: dict[str, Any]) -> None:
    run, features, state = trained(plain())
    with pytest.raises(InputError):
        answer_rows(TASK, run, features, state, {"text": ["a"]}, **options)


def test_scores_are_bits_of_all_letters_together() -> None:
    answers = [{"nats": 2 * math.log(2), "tokens": 1}, {"nats": 4 * math.log(2), "tokens": 2}]
    made = TASK.scores(answers, ["ab", "a"], plain())
    assert made["bits_per_letter"].statistic(np.array([0, 1])) == pytest.approx(2.0)
    assert made["perplexity"].statistic(np.array([0, 1])) == pytest.approx(4.0)
    assert made["text_bits"].rows.tolist() == pytest.approx([1.0, 4.0])


def test_n_grams_are_chances() -> None:
    """Over all letters that may come they add up to no more than 1; what was seen is likelier."""
    nats = likelihood.n_grams(["abab", "abba"], 2)
    letters = ["a", "b", *map(chr, range(1000, 1000 + likelihood.OTHERS))]
    sums = [
        sum(math.exp(-(nats(before + letter) - nats(before))) for letter in letters) for before in ("", "a", "ab", "zz")
    ]
    assert sums == pytest.approx([1.0] * 4, abs=1e-9)
    assert nats("ab") < nats("aa")


def test_a_correction_becomes_a_row() -> None:
    assert TASK.correct({"text": "the "}, {"text": "cat"}, plain()) == {"text": "the cat"}
    assert TASK.correct({"ask": "who"}, "me", asking()) == {"ask": "who", "say": "me"}
    with pytest.raises(DataError):
        TASK.correct({"text": "the "}, {"text": " "}, plain())


def test_inputs_that_are_no_texts_are_told() -> None:
    wrong = plain().model_copy(update={"inputs": {}})
    with pytest.raises(RecipeError, match="Text generation takes"):
        TASK.features(wrong)
    with pytest.raises(RecipeError, match="decoder"):
        TASK.build(plain().but(model={"name": "mlp"}), fitted(plain()))
    assert isinstance(fitted(plain())["text"].encode(ROWS), Ragged) and text_generation.TASK is TASK


def test_of_a_prompt_without_end_a_server_reads_the_end_alone() -> None:
    recipe, rows = chatting(), {"chat": CHATS}
    features = {name: feature.fit(rows) for name, feature in TASK.features(recipe).items()}
    state = {"layers": 1, "groups": 2, "head": 8}
    assert TASK.writes is not None
    pen = TASK.writes(lambda *_, **__: {}, features, state)
    long = pen.prompt(pen.row([("user", "who sat " * 100_000)]))
    short = pen.prompt(pen.row([("user", "who sat " * 100)]))
    assert len(long) < 3_000 and long[-8:] == short[-8:]


def test_a_correction_without_end_is_refused() -> None:
    with pytest.raises(DataError, match="at most 100,000"):
        TASK.correct({"ask": "a"}, "x" * 100_001, asking())


@pytest.mark.parametrize("ended", [True, False])
def test_of_a_character_cut_off_in_its_middle_nothing_is_answered(ended: bool) -> None:
    text = SimpleNamespace(decode=lambda tokens: "né\ufffd")
    answer = writing._answer(continuing.Written(tokens=[1, 2], ended=ended), text, ())
    assert answer["text"] == "né" and answer["finish"] == ("stop" if ended else "length")
