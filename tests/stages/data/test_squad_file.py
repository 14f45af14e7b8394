"""SQuAD's nested JSON and flat rows are the same rows; questions without an answer stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Data, Recipe
from feilun.parts.features.answers import checked
from feilun.stages.data import verbs
from feilun.stages.data.reading import formats, raw

CONTEXT = "Anna lives in Rome."


def squad(path: Path) -> Path:
    asked = [
        {"id": "1", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 14}], "is_impossible": False},
        {"id": "2", "question": "When?", "answers": [{"text": "Rome", "answer_start": 14}], "is_impossible": True},
        {"id": 3, "question": "Who?", "answers": [{"text": "Anna"}]},
    ]
    content = {"version": "v2.0", "data": [{"title": "A", "paragraphs": [{"qas": asked, "context": CONTEXT}]}]}
    path.write_text(json.dumps(content), "utf-8")
    return path


def test_nested_questions_become_rows(tmp_path: Path) -> None:
    path = squad(tmp_path / "train.json")
    [part] = formats.parts_of(path, Data()).values()
    found = part(Data(), raw.Most()).table.to_pylist()
    assert [(row["id"], row["question"], row["context"]) for row in found] == [
        ("1", "Where?", CONTEXT),
        ("2", "When?", CONTEXT),
        ("3", "Who?", CONTEXT),
    ]
    assert [checked("answers", row["answers"], CONTEXT) for row in found] == [
        [{"text": "Rome", "start": 14}],
        [],
        [{"text": "Anna", "start": 0}],
    ]
    recipe = Recipe(data=Data(source=str(path)), inputs={"question": {"kind": "text"}, "context": {"kind": "text"}})  # type: ignore[arg-type]
    whole = verbs.resolve(recipe, tmp_path)
    assert whole.task == "question_answering" and whole.target is not None and whole.target.column == "answers"


def test_a_file_of_another_form_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"data": [{"paragraphs": [{"text": "x"}]}]}', "utf-8")
    with pytest.raises(DataError, match="not in SQuAD's form"):
        formats.parts_of(path, Data())["train"](Data(), raw.Most())


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([{"text": "Rome", "answer_start": 14}], [("Rome", 14)]),
        ([{"text": "Rome", "answer_start": 14}] * 3, [("Rome", 14)]),
        ([{"text": "Rome", "answer_start": 12}], [("Rome", 14)]),
        ({"text": ["Rome", "Anna"], "answer_start": [14, 0]}, [("Rome", 14), ("Anna", 0)]),
        ({"text": [], "answer_start": []}, []),
        ('[{"text": "Rome", "answer_start": 14}]', [("Rome", 14)]),
        ("Rome", [("Rome", 14)]),
        (["Rome"], [("Rome", 14)]),
        ([], []),
    ],
)
def test_answers_in_every_form(value: Any, wanted: list[tuple[str, int]]) -> None:
    assert [(one["text"], one["start"]) for one in checked("a", value, CONTEXT)] == wanted


@pytest.mark.parametrize(
    "value", [None, 3, [{"answer_start": 1}], ["Paris"], [{"text": "Rome", "answer_start": "x"}], [3]]
)
def test_a_wrong_answer_is_said(value: Any) -> None:
    with pytest.raises(DataError, match="Column 'a'"):
        checked("a", value, CONTEXT)
