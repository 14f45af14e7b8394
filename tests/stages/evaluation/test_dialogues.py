"""What evaluation tells of a chat: its turns as people read them, and nothing of columns that are foretold."""

from __future__ import annotations

import json
from pathlib import Path

from feilun import lifecycle
from feilun.core import manifest
from feilun.core.recipe import Recipe
from feilun.stages.evaluation.why import FORETOLD


def test_turns_are_shown_and_no_column_is_shuffled(tmp_path: Path) -> None:
    chats = [
        [{"role": "user", "content": f"你好 {number}"}, {"role": "assistant", "content": f"well, {number}"}]
        for number in range(40)
    ]
    (tmp_path / "chats.jsonl").write_text("\n".join(json.dumps({"messages": chat}) for chat in chats), encoding="utf-8")
    asked = {
        "name": "chats",
        "task": "text_generation",
        "data": {"source": "chats.jsonl"},
        "inputs": {"messages": {"kind": "dialogue", "tokens": "characters", "context": 32}},
        "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
        "train": {"epochs": 1, "batch_size": 8},
        "evaluate": {"bootstrap": 100},
        "optimize": {"quantize": "none"},
    }
    home = tmp_path / "home"
    lifecycle.run_recipe(Recipe.model_validate(asked), home=home, base=tmp_path)
    made = home / "chats" / "1" / "evaluation"
    why = manifest.read_json(made / "why.json")
    assert why["words"] == FORETOLD and why["importance"] == []
    shown = json.dumps(manifest.read_json(made / "examples.json"), ensure_ascii=False)
    assert "user: 你好" in shown and "assistant: well" in shown and "role" not in shown
