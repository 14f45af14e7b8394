"""Thumbs and corrections of a model that learns preferences: what becomes of them in a lap."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from feilun import lifecycle
from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.parts.dataset import load_rows
from feilun.parts.store import PredictionLog, Store
from feilun.stages.improvement import verbs
from feilun.tasks.text_generation import TASK

NAME = "pairs"


def recipe(**target: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": NAME,
            "task": "text_generation",
            "data": {"source": "pairs.jsonl"},
            "inputs": {"ask": {"kind": "text", "tokens": "characters", "context": 32}},
            "target": {"columns": ["good"], **target},
            "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
            "train": {"epochs": 1, "batch_size": 8, "threads": 1},
            "evaluate": {"bootstrap": 100},
            "optimize": {"quantize": "none"},
            "improve": {"hold_back": 0.001},
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    pairs = [{"ask": f"how are you {n}", "good": f"well {n}", "bad": f"no {n}"} for n in range(40)]
    (folder / "pairs.jsonl").write_text("\n".join(json.dumps(pair) for pair in pairs), encoding="utf-8")
    lifecycle.run_recipe(recipe(rejected="bad"), home=folder / "home", base=folder)
    return folder / "home"


def asked(home: Path, answers: dict[str, str]) -> list[str]:
    """Ids of predictions {question: answer} as a server notes them."""
    log = PredictionLog(home / NAME / "predictions")
    ids = [log.new_id() for _ in answers]
    for id, (ask, text) in zip(ids, answers.items(), strict=True):
        facts = {"at": round(time.time(), 3), "name": NAME, "version": 1, "latency_s": 0.002}
        log.append({"id": id, "row": {"ask": ask}, "answer": {"text": text, "finish": "stop"}, **facts})
    log.close()
    return ids


def test_a_lap_learns_from_thumbs_and_from_what_was_corrected(home: Path) -> None:
    up, down, wrong, both = asked(home, {"are you 1": "yes 1", "are you 2": "no 2", "are you 3": "nono", "a 4": "n"})
    told = {up: ("are you 1", "yes 1", "up"), down: ("are you 2", "no 2", "down"), both: ("a 4", "n", "down")}
    corrections = home / "corrections.jsonl"
    corrections.write_text("\n".join(json.dumps({"id": id, "answer": "well"}) for id in (wrong, both)))
    verbs.add_feedback(home, NAME, corrections)
    with Store.open(home) as store:
        for id, (ask, text, thumb) in told.items():
            answer = {"text": text, "finish": "stop"}
            store.add_thumb(id=id, name=NAME, version=1, row={"ask": ask}, answer=answer, thumb=thumb)
    made = verbs.collect(home, NAME, lambda number: lifecycle.run_folder(home, NAME, number))
    assert made["left_out"] == {} and made["answers"] == 4
    rows = {row["_id"]: (row["ask"], row["good"], row["bad"]) for row in load_rows(made["rows"] / "rows")}
    assert rows == {
        up: ("are you 1", "yes 1", None),
        down: ("are you 2", None, "no 2"),
        wrong: ("are you 3", "well", "nono"),
        both: ("a 4", "well", "n"),
    }
    with Store.open(home) as store:
        assert {entry["id"]: entry["lap"] for entry in store.thumbs(NAME)} == {up: 1, down: 1, both: 1}


def test_without_preferences_a_thumb_down_says_too_little() -> None:
    plain, answer = recipe(), {"text": "no"}
    assert TASK.compare is not None
    assert TASK.compare({"ask": "a"}, answer, {"thumb": "up"}, plain) == {"ask": "a", "good": "no"}
    assert TASK.compare({"ask": "a"}, answer, "yes", plain) == {"ask": "a", "good": "yes"}
    with pytest.raises(DataError, match="names no better answer"):
        TASK.compare({"ask": "a"}, answer, {"thumb": "down"}, plain)
