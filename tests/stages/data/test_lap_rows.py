"""Laps with what a split may be told by: columns nobody sends, answers that nearly equal rows that are judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.dataset import SPLITS, Table, save_rows
from feilun.stages.data import disk, verbs

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re") for second in ("ban", "dor", "fel", "gim")]


@pytest.mark.parametrize("price", ["", ",9"])
def test_answers_that_nearly_equal_judged_rows_leave_and_unsent_columns_are_empty(tmp_path: Path, price: str) -> None:
    drawn = np.random.default_rng(0)
    texts = [" ".join(drawn.choice(WORDS, 12)) for _ in range(120)]
    lines = [
        f"{text},{'yes' if place % 3 else 'no'},u{place % 40}{price and f',{place}'}"
        for place, text in enumerate(texts)
    ]
    (tmp_path / "my.csv").write_text("\n".join([f"text,y,who{price and ',price'}", *lines]))
    values = {
        "data": {"source": "my.csv", "split": {"by": "group", "column": "who"}},
        "inputs": {"text": "text", **({"price": "number"} if price else {})},
        "target": "y",
        "train": {"balance": "weights"},
    }
    recipe = verbs.resolve(Recipe.model_validate(values), tmp_path)

    def made(number: int, **lap: Any) -> tuple[Table, dict[str, Any]]:
        folder = tmp_path / "my" / str(number) / "data"
        folder.mkdir(parents=True)
        task = discover.task(str(recipe.task))
        job = Work(recipe=recipe, task=task, folder=folder, before={}, say=Quiet(), base=tmp_path, **lap)
        return Table.open(folder), dict(verbs.make(job).facts)

    before, _ = made(1)
    judged, learnt = (before.columns(split, 1)["text"][0] for split in ("test", "train"))
    said = [f"{judged} !", f"{learnt} !", f"{learnt} ?", " ".join(drawn.choice(WORDS, 12))]
    more = {"price": 999.0} if price else {}  # a text that is judged is not learnt with another price either
    rows = [{"_id": f"p{place}", "text": text, "y": "no", **more} for place, text in enumerate(said)]
    laps = tmp_path / "laps" / "1"
    laps.mkdir(parents=True)
    save_rows(disk.to_dataset(pa.Table.from_pylist(rows)), laps / "rows")
    np.save(laps / "splits.npy", np.array([SPLITS.index(name) for name in ("train", "train", "held", "held")], np.int8))
    after, facts = made(2, lap=laps, parent=tmp_path / "my" / "1")
    assert after.rows["_id"][120:] == ["p1", "p3"]
    assert after.rows["who"][119:] == [before.rows["who"][119], None, None]
    assert facts["left_out_equal_to_judged"] == 2
    assert [(line["what"], line["rows"], line["done"]) for line in facts["cleaning"]] == [("answers", 2, "left out")]
    assert (after.splits[:120] == before.splits).all()
