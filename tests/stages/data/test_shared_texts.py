"""A text or a picture stands on one side of the split, whatever else its rows say, and none of them is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core import discover
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS
from feilun.stages.data import assemble, verbs

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re") for second in ("ban", "dor", "fel", "gim")]
TRAIN, VALIDATION, TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))
WHAT = "shared texts or pictures"


def sentences(count: int, seed: int = 0) -> list[str]:
    drawn = np.random.default_rng(seed)
    return [" ".join(drawn.choice(WORDS, 12)) for _ in range(count)]


def columns(texts: list[str], start: int = 0) -> dict[str, list[Any]]:
    """Each with a number of its own, a day and an answer."""
    count = len(texts)
    return {
        "text": texts,
        "price": [float(place) for place in range(start, start + count)],
        "day": [f"2024-{1 + place // 28 % 12:02d}-{1 + place % 28:02d}" for place in range(count)],
        "who": [f"u{place // 6}" for place in range(count)],
        "y": ["no" if place % 3 else "yes" for place in range(count)],
    }


def table(path: Path, made: dict[str, list[Any]]) -> None:
    lines = [",".join(made), *(",".join(map(str, row)) for row in zip(*made.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")


def dealt(folder: Path, **data: Any) -> assemble.Assembled:
    values = {"data": {"source": "my.csv", **data}, "inputs": {"text": "text", "price": "number"}, "target": "y"}
    recipe = verbs.resolve(Recipe.model_validate(values), folder)
    return assemble.rows_of(recipe, discover.task(str(recipe.task)), folder, None, Quiet())


def told(found: assemble.Assembled, what: str = WHAT) -> list[tuple[int, str]]:
    return [(line["rows"], line["done"]) for line in found.facts["cleaning"] if line["what"] == what]


def sides(found: assemble.Assembled) -> dict[str, set[int]]:
    by_text: dict[str, set[int]] = {}
    for text, side in zip(found.table.column("text").to_pylist(), found.splits.tolist(), strict=True):
        by_text.setdefault(text.split("!")[0].strip(), set()).add(side)
    return by_text


@pytest.mark.parametrize("split", [{}, {"by": "stratified"}, {"folds": 4}, {"by": "group", "column": "who"}])
@pytest.mark.parametrize("mark", ["", " !"])  # equal, and nearly
def test_a_text_with_two_numbers_never_crosses(tmp_path: Path, split: dict[str, Any], mark: str) -> None:
    texts = sentences(240)
    table(tmp_path / "my.csv", columns([*texts, *[f"{text}{mark}" for text in texts[:120]]]))
    found = dealt(tmp_path, split=split)
    assert all(len(one) == 1 for one in sides(found).values())
    assert told(found) == [(240, "kept on one side")] and len(found.splits) == 360
    assert found.facts["duplicates"] == 0 and told(found, "near-duplicates") == []
    loose = dealt(tmp_path, split={"by": "hash"}, near="ignore")
    assert any(len(one) > 1 for one in sides(loose).values()) and told(loose) == []


@pytest.mark.parametrize(("data", "mark"), [({"near": "drop"}, " !"), ({"duplicates": "drop"}, "")])
def test_only_copies_are_dropped(tmp_path: Path, data: dict[str, Any], mark: str) -> None:
    texts = sentences(240)
    copies = [f"{text}{mark}" for text in texts[120:150]]
    made = columns([*texts, *[f"{text} !" for text in texts[:60]], *texts[60:120], *copies])
    for name in ("price", "y"):
        made[name][360:] = made[name][120:150]
    table(tmp_path / "my.csv", made)
    found = dealt(tmp_path, **data)
    assert len(found.splits) == 360
    assert all(len(one) == 1 for one in sides(found).values())
    assert told(found) == [(240, "kept on one side")]


def test_rows_that_share_a_text_with_given_test_rows_leave(tmp_path: Path) -> None:
    texts = sentences(200)
    table(tmp_path / "my.csv", columns(texts))
    table(
        tmp_path / "test.csv", columns([*texts[:20], *[f"{text} !" for text in texts[20:30]], *sentences(9, 1)], 1000)
    )
    found = dealt(tmp_path, test="test.csv")
    assert told(found, "training rows equal to judged rows") == [(30, "left out")]
    assert len(found.splits) == 209 and all(len(one) == 1 for one in sides(found).values())


def test_what_most_rows_share_with_judged_rows_describes_them_and_costs_no_row(tmp_path: Path) -> None:
    products = sentences(30)
    table(tmp_path / "my.csv", columns(products * 10))
    table(tmp_path / "test.csv", columns(products * 2, 1000))
    found = dealt(tmp_path, test="test.csv")
    assert len(found.splits) == 360 and told(found, "training rows equal to judged rows") == []
    assert told(found)[1] == (360, "on several sides")
    by_time = dealt(tmp_path, split={"by": "time", "column": "day"})
    assert len(by_time.splits) == 300 and told(by_time)[1] == (300, "on several sides")


def test_in_time_earlier_rows_with_a_judged_text_leave(tmp_path: Path) -> None:
    texts = sentences(300)
    texts[290:] = texts[:10]
    table(tmp_path / "my.csv", columns(texts))
    found = dealt(tmp_path, split={"by": "time", "column": "day"})
    assert told(found, "training rows equal to judged rows") == [(10, "left out")] and len(found.splits) == 290
    assert told(found) == [(20, "earlier ones of judged rows left out")]


def test_numbers_alone_are_dealt_as_before_and_a_short_text_binds_nobody(tmp_path: Path) -> None:
    made = columns(sentences(300))
    made["text"] = ["ok", "good film", "see you at 5"] * 100
    table(tmp_path / "my.csv", made)
    found, loose = dealt(tmp_path), dealt(tmp_path, near="ignore")
    assert (found.splits == loose.splits).all() and told(found) == []


def test_a_picture_with_two_categories_never_crosses(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    contents = [array.tobytes() for array in drawn.integers(0, 255, (150, 40), np.uint8)]
    rows = pa.table(
        {
            "photo": pa.array([*contents, *contents[:75]], pa.binary()),
            "place": [*["shop"] * 150, *["fair"] * 75],
            "y": ["no" if place % 3 else "yes" for place in range(225)],
        }
    )
    values = {"task": "classification", "inputs": {"photo": "image", "place": "category"}, "target": "y"}
    whole = verbs.resolve(Recipe.model_validate(values), tmp_path, rows)
    found = assemble.rows_of(whole, discover.task("classification"), tmp_path, rows, Quiet())
    assert (found.splits[150:] == found.splits[:75]).all()
    assert told(found) == [(150, "kept on one side")]
