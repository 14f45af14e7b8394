"""Nothing happens to rows in silence: every decision has a line with count, reason and the key that changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.dataset import Table
from feilun.stages.data import verbs
from feilun.stages.data.cells import clean


def table(path: Path, columns: dict[str, list[Any]]) -> None:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def people(count: int = 300) -> dict[str, list[Any]]:
    drawn = np.random.default_rng(0)
    return {
        "size": drawn.normal(1.7, 0.1, count).round(9).tolist(),
        "city": drawn.choice(["London", "Paris", "Rome"], count).tolist(),
        "who": [f"p{place // 3}" for place in range(count)],
        "day": [f"2024-{1 + place // 28 % 12:02d}-{1 + place % 28:02d}" for place in range(count)],
        "y": drawn.choice(["no", "yes"], count).tolist(),
    }


def made(folder: Path, number: int = 1, **values: Any) -> tuple[Table, dict[str, Any]]:
    place = folder / "my" / str(number) / "data"
    place.mkdir(parents=True)
    given = {"inputs": {"size": "number", "city": "category"}, "target": "y", **values}
    given["data"] = {"source": "my.csv", **given.get("data", {})}
    recipe = verbs.resolve(Recipe.model_validate(given), folder)
    job = Work(recipe=recipe, task=discover.task(str(recipe.task)), folder=place, before={}, say=Quiet(), base=folder)
    return Table.open(place), dict(verbs.make(job).facts)


def lines(facts: dict[str, Any], what: str) -> list[dict[str, Any]]:
    assert all(
        list(line) == ["what", "column", "rows", "done", "why", "key"] and line["done"] and line["why"]
        for line in facts["cleaning"]
    )
    return [line for line in facts["cleaning"] if line["what"] == what]


def test_missing_values_words_among_numbers_and_rows_without_a_target(tmp_path: Path) -> None:
    columns = people()
    columns["size"][:12] = [*[None] * 11, "tall"]
    columns["city"][25] = "NA"
    columns["y"][27] = None
    table(tmp_path / "my.csv", columns)
    table_, facts = made(tmp_path)
    (size, city) = lines(facts, "missing values")
    assert (size["column"], size["rows"], city["column"], city["rows"]) == ("size", 12, "city", 1)
    assert "mark" in size["done"] and table_.features["numbers"].width == 2
    assert [(line["column"], line["rows"]) for line in lines(facts, "words among numbers")] == [("size", 1)]
    assert [(line["rows"], line["done"]) for line in lines(facts, "rows without a target")] == [(1, "left out")]
    assert facts["rows"] == 299


def test_equal_rows_are_kept_on_one_side_or_dropped(tmp_path: Path) -> None:
    columns = {name: [*cells, *cells[:20]] for name, cells in people().items()}
    columns["y"][300:305] = ["no" if cell == "yes" else "yes" for cell in columns["y"][:5]]
    table(tmp_path / "my.csv", columns)
    kept, facts = made(tmp_path)
    assert [(line["rows"], line["done"]) for line in lines(facts, "duplicates")] == [(20, "kept on one side")]
    (line,) = lines(facts, "disagreement")
    assert line["rows"] == 10
    assert facts["disagreement"]["groups"] == 5
    ids = {row["_id"]: row for row in kept.rows}
    for one, other in facts["disagreement"]["examples"]:
        assert ids[one]["size"] == ids[other]["size"] and ids[one]["y"] != ids[other]["y"]
    dropped, facts = made(tmp_path, 2, data={"duplicates": "drop"})
    assert len(dropped.rows) == 305  # rows that say something else stay, and are told
    assert facts["dropped_duplicates"] == 15
    assert "15 rows equal an earlier row and were dropped." in facts["notes"]
    assert [line["rows"] for line in lines(facts, "duplicates")] == [15, 5]


def test_near_duplicates_never_cross_the_split(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    words = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re") for second in ("ban", "dor", "fel", "gim")]
    texts = [" ".join(drawn.choice(words, 12)) for _ in range(200)]
    columns = {"text": [*texts, *[f"{text} {text[:3]}" for text in texts[:60]]]}
    columns["y"] = ["no" if place % 3 else "yes" for place in range(260)]
    table(tmp_path / "my.csv", columns)
    together, facts = made(tmp_path, inputs={"text": "text"})
    assert (together.splits[200:] == together.splits[:60]).all()
    assert [(line["column"], line["rows"]) for line in lines(facts, "near-duplicates")] == [("text", 120)]
    assert facts["duplicates"] == 0 and facts["disagreement"]["groups"] > 10
    ignored, facts = made(tmp_path, 2, inputs={"text": "text"}, data={"near": "ignore"})
    assert (ignored.splits[200:] != ignored.splits[:60]).any()
    assert lines(facts, "near-duplicates") == []
    dropped, facts = made(tmp_path, 3, inputs={"text": "text"}, data={"near": "drop"})
    assert len(dropped.rows) == 260 - facts["dropped_near"] and facts["dropped_near"] >= 20
    table(tmp_path / "test.csv", {"text": [f"{texts[0]} !", *texts[100:104]], "y": ["no", "yes", "no", "yes", "no"]})
    _, facts = made(tmp_path, 4, inputs={"text": "text"}, data={"test": "test.csv"})
    assert facts["left_out_equal_to_given"] == 6  # the first, its copy, and four equal ones
    assert lines(facts, "training rows equal to judged rows")[0]["rows"] == 6


@pytest.mark.parametrize("done", ["keep", "mark", "clip", "drop"])
def test_outliers_are_kept_marked_clipped_or_dropped(tmp_path: Path, done: str) -> None:
    columns = people()
    columns["size"][::60] = [170.0] * 5
    table(tmp_path / "my.csv", columns)
    plain, _ = made(tmp_path)
    found, told = made(tmp_path, 2, data={"outliers": done})
    wild = np.array(plain.rows["size"]) > 100
    in_training = int((wild & (plain.splits == 0)).sum())
    (line,) = lines(told, "outliers")
    assert (line["column"], line["rows"]) == ("size", in_training if done == "drop" else 5)
    assert len(found.rows) == 300 - (in_training if done == "drop" else 0)
    numbers = np.asarray(found.arrays["numbers"])
    if done == "mark":
        assert numbers.shape[1] == 2 and (numbers[:, 1] == wild).all()
    if done == "clip":
        assert numbers[wild].max() < 5 < np.asarray(plain.arrays["numbers"])[wild].min()
    if done == "drop":
        assert (np.array(found.columns("train")["size"]) < 100).all()
        assert (np.array(found.rows["size"]) > 100).sum() == 5 - in_training
        assert f"{in_training} training rows with outliers were dropped." in told["notes"]


def test_columns_of_groups_splits_and_metrics_are_kept_and_are_no_inputs(tmp_path: Path) -> None:
    table(tmp_path / "my.csv", people())
    plain, _ = made(tmp_path)
    values = {
        "data": {"split": {"by": "group", "column": "who"}},
        "evaluate": {"groups": ["city"], "metrics": {"late": 'share(day > "2024-06-01")'}},
    }
    found, facts = made(tmp_path, 2, **values)
    assert set(found.rows.column_names) == {"size", "city", "y", "who", "day", "_id"}
    assert {column for feature in found.features.values() for column in feature.columns} == {"size", "city", "y"}
    assert found.rows["_id"] == plain.rows["_id"]  # columns beside the inputs rename nobody
    who = np.array(found.rows["who"])
    assert all(len(set(found.splits[who == name])) == 1 for name in set(who))
    assert sum(facts["splits"].values()) == 300


def test_the_newest_rows_are_tested(tmp_path: Path) -> None:
    columns = people()
    columns["day"][3] = None
    table(tmp_path / "my.csv", columns)
    found, facts = made(tmp_path, data={"split": {"by": "time", "column": "day"}})
    days = np.array(found.rows["day"], dtype="datetime64[D]")
    assert days[found.splits == 0].max() < days[found.splits == 1].min()
    assert days[found.splits == 2].max() < days[found.splits == 3].min()
    assert [line["rows"] for line in lines(facts, "rows without a time")] == [1]
    columns["day"][4] = "soon"
    table(tmp_path / "my.csv", columns)
    with pytest.raises(DataError, match="should hold dates, times or numbers, and holds 1 cells such as 'soon'"):
        made(tmp_path, 2, data={"split": {"by": "time", "column": "day"}})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"evaluate": {"groups": ["cty"]}}, r"evaluate.groups names the column 'cty'.* Did you mean 'city'\?"),
        ({"data": {"split": {"by": "time", "column": "days"}}}, r"data.split.column .* Did you mean 'day'\?"),
        ({"data": {"split": {"by": "group"}}}, "column is missing"),
        ({"data": {"split": {"folds": 5}, "test": "my.csv"}}, "data.test gives test rows"),
        ({"data": {"split": {"folds": 5, "fold": 7}}}, "fold is 7 of 5 folds"),
        ({"target": "size", "inputs": {"city": "category"}, "train": {"balance": "weights"}}, "task is regression"),
    ],
)
def test_what_contradicts_itself_or_the_source(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    table(tmp_path / "my.csv", people())
    with pytest.raises(RecipeError, match=words):
        made(tmp_path, **values)


def test_stratified_by_a_number(tmp_path: Path) -> None:
    columns = people(400)
    table(tmp_path / "my.csv", columns)
    given = {"target": "size", "inputs": {"city": "category", "day": "category"}}
    found, _ = made(tmp_path, **given, data={"split": {"by": "stratified"}})
    tenth = np.argsort(np.argsort(found.rows["size"])) // 40
    shares = [np.bincount(found.splits[tenth == part], minlength=4) / 40 for part in range(10)]
    assert np.allclose(shares, [0.6, 0.1, 0.1, 0.2], atol=0.08)  # 40 rows, and ties at the edges


def test_a_part_of_the_training_rows_and_nothing_else(tmp_path: Path) -> None:
    table(tmp_path / "my.csv", people())
    whole, _ = made(tmp_path)
    some, facts = made(tmp_path, 2, data={"split": {"part": 0.3}})
    assert set(some.rows["_id"]) < set(whole.rows["_id"])
    assert facts["splits"]["test"] == (whole.splits == 3).sum()
    (line,) = lines(facts, "training rows beyond the part")
    assert line["rows"] == 300 - len(some.rows) and line["key"] == "data.split.part: 1"


def test_a_look_before_the_run_says_the_same(tmp_path: Path) -> None:
    columns = people()
    columns["size"][:4] = [None, None, 170.0, 165.0]
    table(tmp_path / "my.csv", columns)
    later = people(60)
    table(tmp_path / "test.csv", {**later, "size": [5 * cell for cell in later["size"]]})
    values: dict[str, Any] = {
        "data": {"source": "my.csv", "test": "test.csv"},
        "inputs": {"size": "number", "city": "category"},
        "target": "y",
    }
    _, facts = made(tmp_path, **values)
    looked = verbs.check_rows(Recipe.model_validate(values), tmp_path)
    assert looked == {name: facts[name] for name in ("cleaning", "drift", "splits", "notes")}
    assert looked["drift"][0]["column"] == "size"
    assert not any(path.name == "rows" for path in tmp_path.glob("*"))


def test_what_metrics_name_changes_the_data_and_what_they_say_does_not(tmp_path: Path) -> None:
    table(tmp_path / "my.csv", people())

    def depends(metric: str) -> str:
        recipe = Recipe.model_validate({"data": {"source": "my.csv"}, "evaluate": {"metrics": {"m": metric}}})
        return verbs.depends(recipe, tmp_path, None, None)

    assert depends('share(city == "Rome")') == depends('share(city == "Paris") where score > 0.5')
    assert depends('share(city == "Rome")') != depends('share(who == "p1")')


def test_one_file_writes_whole_numbers_with_a_fraction_and_the_other_without(tmp_path: Path) -> None:
    columns = people()
    columns["city"] = [f"{place % 3}.0" for place in range(300)]
    table(tmp_path / "my.csv", columns)
    table(tmp_path / "test.csv", {**people(60), "city": [str(place % 3) for place in range(60)]})
    found, facts = made(tmp_path, data={"test": "test.csv"}, inputs={"size": "number", "city": "category"})
    assert set(found.rows["city"]) == {"0", "1", "2"}
    assert "city" not in {entry["column"] for entry in facts["drift"]}


def test_whole_numbers_after_many_gaps_lose_their_fraction() -> None:
    cells = pa.chunked_array([[None] * 2_000, ["1.0", "2", None]], pa.string())
    assert clean.texts(cells, whole_numbers=True).to_pylist()[-3:] == ["1", "2", None]
    words = pa.chunked_array([["1.0"] * 2_000, ["x"]])
    assert clean.texts(words, whole_numbers=True).to_pylist()[0] == "1.0"
