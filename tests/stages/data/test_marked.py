"""Answers and spans that do not stand where they are said to, or overlap, are told, with a row to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feilun import lifecycle
from feilun.core.errors import DataError
from feilun.core.recipe import Recipe


def found(folder: Path, rows: list[dict[str, Any]], **asked: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """(lines of the cleaning table, notes) as `feilun check` says them."""
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = Recipe.model_validate({"name": "my", "data": {"source": "rows.jsonl", "near": "ignore"}, **asked})
    made = lifecycle.call("data", "check_rows", recipe, base=folder)
    return made["cleaning"], made["notes"]


def asked_of(number: int, shift: int, **answer: Any) -> dict[str, Any]:
    passage = f"Case {number}: Anna lives in Rome."
    given = {"text": "Rome", "answer_start": passage.index("Rome") + shift, **answer}
    return {"question": f"Where, in {number}?", "context": passage, "answers": [given]}


QUESTIONS = {"inputs": {"question": "text", "context": "text"}, "target": "answers", "model": "lstm"}
SPANS = {"inputs": {"text": "text"}, "target": "spans", "model": "lstm"}


def test_answers_at_another_place_are_counted(tmp_path: Path) -> None:
    rows = [asked_of(number, 2 if number % 10 == 3 else 0) for number in range(40)]
    lines, notes = found(tmp_path, rows, **QUESTIONS)
    [line] = [one for one in lines if one["what"] == "answers at another place"]
    assert line["rows"] == 4 and line["column"] == "answers" and "nearest" in line["done"]
    assert line["why"] == "such as 'Rome' at letter 24, where 'me.' stands"
    assert any(note.startswith("answers: 4 rows have answers at another place, such as 'Rome'") for note in notes)
    right, _ = found(tmp_path, [asked_of(number, 0) for number in range(40)], **QUESTIONS)
    assert not [one for one in right if one["what"] == "answers at another place"]


def test_if_every_place_is_wrong_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"in none of 40 rows .* such as 'Rome' at letter 23, where 'ome\.' stands"):
        found(tmp_path, [asked_of(number, 1) for number in range(40)], **QUESTIONS)
    without = [asked_of(number, 1, answer_start=None) for number in range(40)]
    assert found(tmp_path, without, **QUESTIONS)


def test_an_answer_that_stands_nowhere_names_its_row(tmp_path: Path) -> None:
    rows = [asked_of(number, 0, **({"text": "Oslo"} if number in (7, 9) else {})) for number in range(20)]
    with pytest.raises(DataError, match=r"'Oslo' does not stand .* in 2 of 20 rows, first where context is 'Case 7: A"):
        found(tmp_path, rows, **QUESTIONS)


def spans_of(number: int, *more: dict[str, Any]) -> dict[str, Any]:
    return {"text": f"Anna {number % 10} is in Rome", "spans": [{"start": 13, "end": 17, "label": "place"}, *more]}


def test_overlapping_spans_are_counted(tmp_path: Path) -> None:
    other = {"start": 10, "end": 14, "label": "where"}
    rows = [spans_of(number, *([other] if number % 4 == 0 else [])) for number in range(20)]
    lines, notes = found(tmp_path, rows, **SPANS)
    [line] = [one for one in lines if one["what"] == "overlapping spans"]
    assert (line["rows"], line["why"]) == (5, "such as where 10-14 and place 13-17")
    assert any("overlapping spans" in note for note in notes)
    side_by_side = [spans_of(number, {"start": 10, "end": 13, "label": "where"}) for number in range(20)]
    assert not [one for one in found(tmp_path, side_by_side, **SPANS)[0] if one["what"] == "overlapping spans"]


def test_a_span_out_of_its_text_names_its_row(tmp_path: Path) -> None:
    rows = [
        spans_of(number, *([{"start": 13, "end": 99, "label": "place"}] if number == 6 else [])) for number in range(20)
    ]
    with pytest.raises(DataError, match=r"ends at 99, .* in 1 of 20 rows, first where text is 'Anna 6 is in Rome'"):
        found(tmp_path, rows, **SPANS)
