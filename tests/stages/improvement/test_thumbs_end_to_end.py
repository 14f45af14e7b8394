"""Thumbs from a chat over HTTP to a lap: what was liked becomes likelier than what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from feilun import lifecycle
from feilun.core.recipe import Recipe, Serve
from feilun.parts.dataset import Table
from feilun.stages.deployment.serving import server

NAME = "liked"
RECIPE = {
    "name": NAME,
    "task": "text_generation",
    "data": {"source": "pairs.jsonl"},
    "inputs": {"ask": {"kind": "text", "tokens": "characters", "context": 32}},
    "target": {"columns": ["good"], "rejected": "bad"},
    "model": {"name": "decoder", "width": 16, "depth": 1, "heads": 2},
    "train": {"epochs": 4, "batch_size": 8, "learning_rate": 0.01, "threads": 1},
    "evaluate": {"bootstrap": 100},
    "optimize": {"quantize": "none"},
    "improve": {"hold_back": 0.001},
}


@pytest.fixture(name="home")
def trained(tmp_path: Path) -> Path:
    pairs = [{"ask": f"how are you {n}", "good": f"well {n}", "bad": f"no {n}"} for n in range(40)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
    lifecycle.run_recipe(Recipe.model_validate(RECIPE), home=tmp_path / "home", base=tmp_path)
    return tmp_path / "home"


def judged(client: openai.OpenAI) -> dict[str, tuple[str, str, str]]:
    """{id: (question, what was answered, thumb)} of a dozen drawn answers, every other one liked."""
    found = {}
    for seed in range(12):
        ask = f"are you {seed}"
        said = client.chat.completions.create(
            model=NAME, messages=[{"role": "user", "content": ask}], max_tokens=6, temperature=1.5, seed=seed
        )
        text = said.choices[0].message.content or ""
        if not text.strip():
            continue  # it ended at once: there is nothing to like
        thumb = "down" if seed % 2 else "up"
        told: Any = client.post("/feedback", body={"id": said.id, "thumb": thumb}, cast_to=object)
        assert told == {"id": said.id, "model": f"{NAME}@1", "saved": "new"}
        found[said.id] = (ask, text, thumb)
    return found


def test_a_lap_learns_from_thumbs_that_came_over_http(home: Path) -> None:
    with (
        server.background(home, NAME, Serve(port=0), {}) as address,
        openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        given = judged(client)
    assert len(given) > 6 and {thumb for _, _, thumb in given.values()} == {"up", "down"}
    told = lifecycle.improve(NAME, home=home)
    assert (told["answers"], told["left_out"], told["challenger"]) == (len(given), {}, f"{NAME}@2")
    table = Table.open(home / NAME / "2" / "data")
    learnt = {row["_id"]: row for row, origin in zip(table.rows, table.origin, strict=True) if origin == 1}
    assert {id: (row["ask"], row["good"], row["bad"]) for id, row in learnt.items()} == {
        id: (ask, text if thumb == "up" else None, text if thumb == "down" else None)
        for id, (ask, text, thumb) in given.items()
    }
    rows = [{"ask": ask, "good": text, "bad": None} for ask, text, _ in given.values()]
    before, after = (
        np.array([one["nats"] for one in lifecycle.load(home / NAME / number / "deployment").judged(rows)])
        for number in ("1", "2")
    )
    liked = np.array([thumb == "up" for _, _, thumb in given.values()])
    gain = before - after
    assert gain[liked].mean() > gain[~liked].mean() + 0.1, gain
