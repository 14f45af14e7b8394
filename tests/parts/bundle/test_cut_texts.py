"""Whatever task reads a text that is longer than it reads: the answer comes with how much of it was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feilun.core import discover
from feilun.core.recipe import Recipe
from feilun.parts.bundle import answering
from feilun.parts.bundle.answering import by_column

WORDS = "one two three four five six seven eight nine ten eleven twelve"
TOKENS = ("words", "characters", "bpe", "wordpiece", "unigram", "grams")


def recipe(task: str, **keys: Any) -> Recipe:
    return Recipe.model_validate({"name": "t", "task": task, **keys})


TASKS: dict[str, tuple[dict[str, Any], int]] = {
    "classification": ({"inputs": {"text": {"kind": "text", "max_length": 8}}, "target": "label"}, 8),
    "regression": ({"inputs": {"text": {"kind": "text", "max_length": 8}}, "target": "value"}, 8),
    "token_classification": ({"inputs": {"text": {"kind": "text", "max_length": 8}}, "target": "spans"}, 8),
    "translation": ({"inputs": {"text": {"kind": "text", "max_length": 8}}, "target": "label"}, 8),
    "matching": ({"inputs": {"text": {"kind": "text", "max_length": 8}}, "target": "label"}, 8),
    "text_generation": ({"inputs": {"text": {"kind": "text", "context": 8, "tokens": "characters"}}}, 8),
}
ROW = {"text": WORDS, "label": "x", "value": 1.0, "spans": [{"start": 0, "end": 3, "label": "number"}]}


@pytest.mark.parametrize("name", TASKS)
def test_the_row_is_told_with_how_much_was_read(name: str) -> None:
    keys, read = TASKS[name]
    task = discover.task(name)
    rows = by_column([ROW, {**ROW, "label": "y"}])
    features = {one: feature.fit(rows) for one, feature in task.features(recipe(name, **keys)).items()}
    mute = replace(task, finish=None, answer=lambda run, inputs, *_, **__: [{}] * len(next(iter(inputs.values()))))
    short = {**ROW, "text": "one two"}
    given = by_column([short, ROW, *[short] * 40, ROW])
    found = answering.answered(mute, lambda _, **__: {}, features, {}, given, batch_size=1)
    count = 13 + len(WORDS) - 12 if name == "text_generation" else 12
    assert found.cut == {row: {"text": {"read": read, "of": count}} for row in (1, 42)}
    assert len(found.answers) == 43


@pytest.mark.parametrize("marks", [False, True])
@pytest.mark.parametrize("tokens", TOKENS)
def test_every_kind_of_tokens_counts_what_is_cut(tokens: str, marks: bool) -> None:
    if tokens == "grams" and marks:
        return
    texts = [WORDS, "one", "", WORDS[:20], None]
    options = {"columns": ("text",), "tokens": tokens, "vocabulary": 60, "marks": marks}
    whole: Any = discover.feature("text", **options).fit({"text": [WORDS]})
    lengths = [len(text or "") for text in texts] if tokens == "grams" else whole.lengths({"text": texts})
    for most in range(3, max(lengths) + 2):
        cut = replace(whole, max_length=most)
        found = cut.shortened({"text": texts}, cut.encode({"text": texts}))
        assert found == {row: (most, count) for row, count in enumerate(lengths) if count > most}


def test_a_tag_before_the_text_is_no_part_of_it() -> None:
    feature: Any = discover.feature("text", columns=("text", "into"), tagged=True, tokens="words", max_length=3)
    rows = {"text": ["a b c", "a b c d"], "into": ["de", "de"]}
    fitted = feature.fit(rows)
    assert fitted.shortened(rows, fitted.encode(rows)) == {1: (3, 4)}
