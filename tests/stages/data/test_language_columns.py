"""Rows of language whose form is known: the right task and the right columns, or what to choose, said clearly."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from feilun.cli import writing
from feilun.core.errors import RecipeError

DATA = Path(os.environ.get("FEILUN_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "runs", "away", "now")
FILES = {
    "squad": "squad_sub/train.jsonl",
    "wnut": "wnut17/dev.conll",
    "multi30k": "multi30k_en_de/val.tsv",
    "alpaca": "alpaca_3k/zh.jsonl",
    "dpo": "dpo_demo/en.jsonl",
    "shakespeare": "tinyshakespeare/input.txt",
}


def said(number: int) -> str:
    return " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 9)) + f" {number}"


def chat(number: int, who: str, what: str) -> list[dict[str, str]]:
    return [{who: "user", what: said(number)}, {who: "assistant", what: said(number + 1)}]


def row(form: str, number: int) -> dict[str, Any]:
    """A row of each form, with a column that does not belong to it."""
    passage = f"{said(number)} lives in Rome."
    place = passage.index("Rome")
    forms: dict[str, dict[str, Any]] = {
        "answers": {"question": said(number), "context": passage, "found": [{"text": "Rome", "answer_start": place}]},
        "hub": {"question": said(number), "context": passage, "found": {"text": ["Rome"], "answer_start": [place]}},
        "spans": {"sentence": passage, "names": [{"start": place, "end": place + 4, "label": "place"}]},
        "pairs": {"prompt": said(number), "chosen": said(number + 1), "rejected": said(number + 2)},
        "instructions": {"instruction": said(number), "input": "", "output": said(number + 1)},
        "messages": {"messages": chat(number, "role", "content")},
        "sharegpt": {"conversations": json.dumps(chat(number, "from", "value"))},
    }
    return {"source": f"{said(number + 5)} notes", **forms[form]}


def drafted(folder: Path, form: str, **asked: Any) -> writing.Draft:
    rows = [row(form, number) for number in range(40)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return writing.draft("rows.jsonl", name="my", base=folder, **{"target": None, "task": None, **asked})


UNCOUNTED = {"names", "messages", "conversations", "found"}  # columns of lists


@pytest.mark.parametrize(
    ("form", "task", "inputs", "target"),
    [
        ("answers", "question_answering", {"question": "text", "context": "text"}, ("found",)),
        ("hub", "question_answering", {"question": "text", "context": "text"}, ("found",)),
        ("spans", "token_classification", {"sentence": "text"}, ("names",)),
        ("pairs", "text_generation", {"prompt": "text"}, ("chosen",)),
        ("instructions", "text_generation", {"instruction": "text", "input": "text"}, ("output",)),
        ("messages", "text_generation", {"messages": "dialogue"}, ()),
        ("sharegpt", "text_generation", {"conversations": "dialogue"}, ()),
    ],
)
def test_task_and_columns_of_a_known_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, task: str, inputs: dict[str, str], target: tuple[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = drafted(tmp_path, form)
    assert found.recipe.task == task
    assert {name: column.kind for name, column in found.recipe.inputs.items()} == inputs
    assert (found.recipe.target.columns if found.recipe.target else ()) == target
    assert found.recipe.target is None or found.recipe.target.options == (
        {"rejected": "rejected"} if form == "pairs" else {}
    )
    told = writing.findings(found, "en")
    assert any("source" in line and f"{task} reads" in line for line in told)
    assert not any("use it" in line for line in told)
    counted = {item["column"]: item["distinct"] for item in found.columns}
    assert [counted[name] for name in UNCOUNTED if name in counted] == [None] * len(counted.keys() & UNCOUNTED)
    assert 0 not in counted.values()
    assert not any("None" in line for line in writing.table(found))


def test_what_was_said_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = drafted(tmp_path, "instructions", task="matching", target=["instruction"])
    assert found.recipe.task == "matching" and found.recipe.target.columns == ("instruction",)


@pytest.mark.parametrize("form", ["messages", "sharegpt"])
def test_dialogues_as_text_are_hinted_at(tmp_path: Path, form: str) -> None:
    from feilun import lifecycle
    from feilun.core.recipe import Recipe

    drafted_rows = [row(form, number) for number in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, drafted_rows)), encoding="utf-8")
    name = "messages" if form == "messages" else "conversations"
    asked = {"name": "my", "task": "text_generation", "data": {"source": "rows.jsonl"}, "inputs": {name: "text"}}
    columns = lifecycle.call("data", "profile", Recipe.model_validate(asked), base=tmp_path)
    [warned] = [one for one in columns if one["column"] == name]
    assert "kind: dialogue" in warned["warning"] and warned["override"] == f"inputs: {{{name}: dialogue}}"


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data sets in {DATA}; name their folder in FEILUN_DATA")
@pytest.mark.parametrize("name", FILES)
def test_real_files(tmp_path: Path, name: str) -> None:
    wanted = {
        "squad": ("question_answering", ["question", "context"]),
        "wnut": ("token_classification", ["text"]),
        "multi30k": ("translation", ["en"]),
        "alpaca": ("text_generation", ["instruction", "input"]),
        "dpo": ("text_generation", ["prompt"]),
        "shakespeare": ("text_generation", ["text"]),
    }[name]
    path = str(DATA / FILES[name])
    if name == "multi30k":
        with pytest.raises(RecipeError, match="To translate, it is the language that is to be written: --target de"):
            writing.draft(path, name="my", base=tmp_path, target=None, task=None)
    target = ["de"] if name == "multi30k" else None
    found = writing.draft(path, name="my", base=tmp_path, target=target, task=None)
    assert (found.recipe.task, list(found.recipe.inputs)) == wanted
    assert ("format: text" in writing.text(found)) == (name == "shakespeare")
