"""The data stage's folder: cleaned rows with ids, frozen splits, facts; and a lap on top of it."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.task import Task
from feilun.core.work import Work
from feilun.parts.dataset import SPLITS, Table, save_rows
from feilun.stages.data import disk, verbs
from feilun.stages.data.reading import pictures


def features(recipe: Recipe) -> dict[str, Any]:
    assert recipe.target is not None
    inputs = {
        name: discover.feature(column.kind, columns=(name,), **column.options) for name, column in recipe.inputs.items()
    }
    kind = "number" if recipe.task == "regression" else "labels"
    extra = {"target": True} if kind == "number" else {}
    return {**inputs, "target": discover.feature(kind, columns=recipe.target.columns, **extra)}


def nothing(*_: Any, **__: Any) -> Any:
    raise AssertionError("the data stage needs no network")


STAND_IN = Task(
    summary="a stand-in",
    example=nothing,
    example_recipe={},
    features=features,
    build=nothing,
    objective=nothing,
    graphs=nothing,
    answer=nothing,
    truth=nothing,
    correct=nothing,
    scores=nothing,
    baselines=nothing,
)


class Told(Quiet):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


def work(folder: Path, values: dict[str, Any], **more: Any) -> Work:
    folder.mkdir(parents=True)
    recipe = Recipe.model_validate({"task": "classification", "target": "y", **values})
    return Work(recipe=recipe, task=STAND_IN, folder=folder, before={}, say=Told(), base=folder.parents[2], **more)


def people(path: Path, count: int = 200) -> Path:
    rows = [f"{i % 60 + 18}, {'ab?'[i % 3]} ,{'yes' if i % 7 < 3 else 'no'}" for i in range(count)]
    path.write_text("\n".join(["age,group,y", *rows]) + "\n")
    return path


INPUTS = {"age": "number", "group": "category"}


def made(tmp_path: Path, number: int = 1, **values: Any) -> tuple[Table, dict[str, Any], list[str]]:
    job = work(tmp_path / "my" / str(number) / "data", {"inputs": INPUTS, **values})
    facts = verbs.make(job).facts
    return Table.open(job.folder), dict(facts), job.say.lines  # type: ignore[attr-defined]


def test_rows_are_clean_named_and_dealt(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    table, facts, said = made(tmp_path, data={"source": "my.csv"})
    assert table.rows.column_names == ["age", "group", "y", "_id"]
    assert table.rows[0] == {"age": 18.0, "group": "a", "y": "yes", "_id": table.rows[0]["_id"]}
    assert table.rows[2]["group"] is None
    assert len(set(table.rows["_id"])) == 200
    assert (table.origin == 0).all()
    assert facts["rows"] == 200
    assert facts["splits"] == {name: int((table.splits == place).sum()) for place, name in enumerate(SPLITS)}
    assert facts["duplicates"] == 200 - len({(row["age"], row["group"]) for row in table.rows})
    assert table.features["target"].labels == ("no", "yes")
    assert said == []


def test_making_again_gives_the_same_and_columns_that_were_left_out_are_told(tmp_path: Path) -> None:
    text = people(tmp_path / "my.csv").read_text().splitlines()
    text = [f"{line},{'id' if place == 0 else place}" for place, line in enumerate(text)]
    (tmp_path / "my.csv").write_text("\n".join(text))
    first, facts, _ = made(tmp_path, data={"source": "my.csv", "drop": ["id"]})
    second, _, _ = made(tmp_path, number=2, data={"source": "my.csv", "drop": ["id"]})
    assert first.rows.to_dict() == second.rows.to_dict()
    assert (first.splits == second.splits).all()
    assert facts["left_out"] == {"id": "listed in data.drop"}
    other, facts, _ = made(tmp_path, number=3, data={"source": "my.csv"}, seed=1)
    assert (other.splits != first.splits).any()
    assert facts["left_out"] == {"id": "counts the rows"}
    assert [entry["role"] for entry in first.profile] == ["input", "input", "target", "left out"]


def test_rows_without_target_leave_and_are_counted(tmp_path: Path) -> None:
    path = people(tmp_path / "my.csv")
    path.write_text(path.read_text() + "30,a,\n31,b,?\n")
    table, facts, said = made(tmp_path, data={"source": "my.csv"})
    assert (facts["without_target"], len(table.rows)) == (2, 200)
    assert said == ["2 rows without a target were left out."]


def test_given_test_rows_are_respected(tmp_path: Path) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    people(folder / "train.csv")
    (folder / "test.csv").write_text("age,group,y\n18,a,no\n99,a,no\n99,b,yes\n")
    table, facts, said = made(tmp_path, data={"source": "both"})
    assert facts["splits"]["test"] == 3
    assert [row["age"] for row in table.rows][-3:] == [18.0, 99.0, 99.0]
    equal = sum(1 for i in range(200) if i % 60 == 0 and i % 3 == 0)
    assert facts["left_out_equal_to_given"] == equal
    assert f"{equal} training rows equal given test or validation rows and were left out." in said
    assert all((row["age"], row["group"]) != (18.0, "a") for row in table.rows.select(range(len(table.rows) - 3)))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1,a,x"] * 1, "one class only, 'x'"),
        ([f"{i},a,x" for i in range(50)], "one class only, 'x'"),
        (["1,a,x", "2,b,y"], "at least 5 are needed"),
        ([f"{i},a," for i in range(50)], "no value in any of 50 rows"),
        ([f"{i},a,NaN" for i in range(50)], "no value in any of 50 rows"),
        ([f"{'ab'[i % 2]}b,a,{'xy'[i % 2]}" for i in range(50)], "age should be a number and is 'ab'"),
    ],
)
def test_rows_that_do_not_do(tmp_path: Path, rows: list[str], words: str) -> None:
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *rows]))
    with pytest.raises(DataError, match=words):
        made(tmp_path, data={"source": "my.csv"})


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    with pytest.raises(DataError, match=r"no column 'agee'. Did you mean 'age'\?"):
        made(tmp_path, data={"source": "my.csv"}, inputs={"agee": "number"})
    with pytest.raises(DataError, match="no column 'why'"):
        made(tmp_path, number=2, data={"source": "my.csv"}, target="why")
    with pytest.raises(DataError, match=r"no column 'Group'. Did you mean 'group'\?"):
        made(tmp_path, number=3, data={"source": "my.csv", "drop": ["Group"]})


def test_numbers_as_target(tmp_path: Path) -> None:
    rows = [f"{i},{'ab'[i % 2]},{i * 1.5}" for i in range(60)] + ["61,a,", "62,a,12"]
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *rows]))
    table, facts, _ = made(tmp_path, data={"source": "my.csv"}, task="regression")
    assert facts["without_target"] == 1
    assert table.rows[1]["y"] == 1.5
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *rows, "63,a,much"]))
    with pytest.raises(DataError, match="y should be a number and is 'much'"):
        made(tmp_path, number=2, data={"source": "my.csv"}, task="regression")


def test_a_table_from_python_and_what_it_depends_on(tmp_path: Path) -> None:
    frame = {"age": list(range(50)), "group": list("ab") * 25, "y": [True, False] * 25}
    job = work(tmp_path / "my" / "1" / "data", {"inputs": INPUTS}, frame=frame)
    verbs.make(job)
    assert Table.open(job.folder).rows[0]["y"] == "true"
    first = verbs.depends(job.recipe, tmp_path, None, frame)
    assert verbs.depends(job.recipe, tmp_path, None, pa.table(frame)) == first
    frame["age"][7] = -1
    assert verbs.depends(job.recipe, tmp_path, None, frame) != first


def test_depends_follows_every_file(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    people(tmp_path / "t.csv", 3)
    recipe = Recipe.model_validate({"data": {"source": "my.csv", "test": "t.csv"}})
    first = verbs.depends(recipe, tmp_path, None, None)
    assert verbs.depends(recipe, tmp_path, None, None) == first
    people(tmp_path / "t.csv", 4)
    assert verbs.depends(recipe, tmp_path, None, None) != first
    (tmp_path / "t.csv").unlink()
    with pytest.raises(DataError, match="There is no file or folder"):
        verbs.depends(recipe, tmp_path, None, None)
    folder = Recipe.model_validate({"data": {"source": str(tmp_path)}})
    first = verbs.depends(folder, tmp_path, None, None)
    (tmp_path / "my.csv").rename(tmp_path / "other.csv")
    assert verbs.depends(folder, tmp_path, None, None) != first
    assert verbs.depends(Recipe.model_validate({"data": {"source": "builtin:iris"}}), tmp_path, None, None)


def lap_rows(folder: Path, rows: list[dict[str, Any]], splits: list[str]) -> Path:
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist([{"_id": f"p{folder.name}-{place}", **row} for place, row in enumerate(rows)])
    save_rows(disk.to_dataset(table), folder / "rows")
    np.save(folder / "splits.npy", np.array([SPLITS.index(name) for name in splits], np.int8))
    return folder


def lap(tmp_path: Path, number: int, parent: int, folder: Path) -> tuple[Table, dict[str, Any]]:
    values = {"inputs": INPUTS, "data": {"source": "gone.csv"}}
    job = work(tmp_path / "my" / str(number) / "data", values, lap=folder, parent=tmp_path / "my" / str(parent))
    facts = dict(verbs.make(job).facts)
    return Table.open(job.folder), facts


def test_laps_add_rows_and_change_nothing_else(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    before, _, _ = made(tmp_path, data={"source": "my.csv"})
    answers = [{"age": 500, "group": "new", "y": "no"}, {"age": 501.5, "group": None, "y": "yes"}]
    first, facts = lap(tmp_path, 2, 1, lap_rows(tmp_path / "laps" / "1", answers, ["train", "held"]))
    assert (facts["lap"], facts["splits"]["held"], facts["rows"]) == (1, 1, 202)
    assert first.rows[200] == {"age": 500.0, "group": "new", "y": "no", "_id": "p1-0"}
    more = [{"age": "502", "group": "a", "y": "no"}]
    second, facts = lap(tmp_path, 3, 2, lap_rows(tmp_path / "laps" / "4", more, ["train"]))
    assert second.origin.tolist() == [0] * 200 + [1, 1, 4]
    assert facts["lap_rows"]["train"] == 1
    assert second.rows.select(range(200)).to_dict() == before.rows.to_dict()
    assert (second.splits[:200] == before.splits).all()
    assert second.features == before.features
    assert second.profile == before.profile
    assert (np.asarray(second.arrays["age"][:200]) == np.asarray(before.arrays["age"])).all()


def test_a_lap_finds_its_parent_s_data_in_an_earlier_run(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    made(tmp_path, data={"source": "my.csv"})
    (tmp_path / "my" / "2").mkdir()
    (tmp_path / "my" / "2" / "run.json").write_text(json.dumps({"stages": {"data": "1/data"}}))
    folder = lap_rows(tmp_path / "laps" / "1", [{"age": 500, "group": "a", "y": "no"}], ["train"])
    assert lap(tmp_path, 3, 2, folder)[1]["rows"] == 201


def test_nothing_is_judged_on_what_it_learnt(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    before, _, _ = made(tmp_path, data={"source": "my.csv"})
    judged = before.rows[int(before.index("test")[0])]
    learnt = before.rows[int(before.index("train")[0])]
    twice = {"age": 700, "group": "a", "y": "no"}
    again = [{key: row[key] for key in ("age", "group", "y")} for row in (judged, learnt, judged, learnt, twice, twice)]
    splits = ["train", "train", "held", "held", "train", "held"]
    table, facts = lap(tmp_path, 2, 1, lap_rows(tmp_path / "laps" / "1", again, splits))
    assert table.rows[200:]["_id"] == ["p1-1", "p1-2", "p1-5"]
    assert facts["left_out_equal_to_judged"] == 3


def test_a_lap_that_does_not_fit(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    made(tmp_path, data={"source": "my.csv"})
    with pytest.raises(DataError, match="no column 'group'"):
        lap(tmp_path, 2, 1, lap_rows(tmp_path / "laps" / "1", [{"age": 1, "y": "no"}], ["train"]))
    row = {"age": 1, "group": "a", "y": "no"}
    with pytest.raises(DataError, match=r"splits\.npy does not fit"):
        lap(tmp_path, 3, 1, lap_rows(tmp_path / "laps" / "2", [row], ["test"]))
    with pytest.raises(DataError, match="There is no file or folder"):
        lap(tmp_path, 4, 1, tmp_path / "laps" / "9")


def test_identity_is_the_task_s(tmp_path: Path) -> None:
    people(tmp_path / "my.csv", 60)
    job = work(tmp_path / "my" / "1" / "data", {"inputs": INPUTS, "data": {"source": "my.csv"}})
    grouped = replace(job.task, identity=lambda recipe: ("group",))
    path = tmp_path / "my.csv"
    rows = [f"{i},{'abcdefghij'[i % 10]},{'xy'[i % 2]}" for i in range(200)]
    path.write_text("\n".join(["age,group,y", *rows]))
    verbs.make(replace(job, task=grouped))
    table = Table.open(job.folder)
    sides = {(row["group"], int(split)) for row, split in zip(table.rows, table.splits, strict=True)}
    assert len(sides) == 10


def test_an_interrupted_attempt_s_folder_does_no_harm(tmp_path: Path) -> None:
    people(tmp_path / "my.csv")
    job = work(tmp_path / "my" / "1" / "data", {"inputs": INPUTS, "data": {"source": "my.csv"}})
    verbs.make(job)
    first = {path: path.read_bytes() for path in job.folder.rglob("*.npy")}
    (job.folder / "splits.npy").write_bytes(b"half")
    verbs.make(job)
    assert {path: path.read_bytes() for path in job.folder.rglob("*.npy")} == first
    assert len(Table.open(job.folder).rows) == 200


def test_pictures_by_their_file_names(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    for number in range(30):
        picture = pictures.to_png(np.full((3, 3), number, np.uint8))
        (tmp_path / f"{number}.png" if number == 7 else folder / f"{number}.png").write_bytes(picture)
    rows = [f"{number}.png,{'xy'[number % 2]}" for number in range(30)]
    (folder / "my.csv").write_text("\n".join(["photo,y", *rows, ",x"]))
    values = {"data": {"source": "shop/my.csv"}, "inputs": {"photo": "image"}}
    table, _, _ = made(tmp_path, **{**values, "data": {"source": "shop/my.csv", "limit": 30}})
    assert table.rows[7]["photo"] == (tmp_path / "7.png").read_bytes()
    (folder / "my.csv").write_text("\n".join(["photo,y", *rows, "gone.png,x"]))
    with pytest.raises(DataError, match=r"1 of 31 pictures named in column photo are not there: .*gone\.png"):
        made(tmp_path, number=2, **values)


def test_rare_classes_are_taught_and_rare_items_are_not(tmp_path: Path) -> None:
    rows = [f"{i},{'ab'[i % 2]},{f'rare{i}' if i % 10 == 0 else 'often'}" for i in range(200)]
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *rows]))
    table, facts, said = made(tmp_path, data={"source": "my.csv"})
    assert facts["moved_for_rare_classes"] > 0
    assert set(table.columns("train")["y"]) == set(table.rows["y"])
    assert "rows of rare classes were moved to training" in said[0]
    job = work(tmp_path / "my" / "2" / "data", {"inputs": INPUTS, "data": {"source": "my.csv"}})

    def items(recipe: Recipe) -> dict[str, Any]:
        return {**features(recipe), "target": discover.feature("category", columns=("y",))}

    assert verbs.make(replace(job, task=replace(job.task, features=items))).facts["moved_for_rare_classes"] == 0


def test_missing_numbers_and_days_are_missing_whatever_type_they_have(tmp_path: Path) -> None:
    count = 60
    day = datetime.date(2024, 1, 1)
    odd = datetime.date(1900, 1, 1)
    frame = pa.table(
        {
            "x": pa.array([-999.0 if i % 5 == 0 else float(i) for i in range(count)], pa.float32()),
            "n": pa.array([-999 if i % 5 == 0 else i for i in range(count)], pa.int64()),
            "t": [f"{-999.0 if i % 5 == 0 else i + 0.5}" for i in range(count)],
            "when": [odd if i % 5 == 0 else day + datetime.timedelta(i) for i in range(count)],
            "said": ["01/01/1900" if i % 5 == 0 else f"{13 + i % 7}/02/2024" for i in range(count)],
            "z": list(range(count)),
            "y": ["no", "yes"] * (count // 2),
        }
    )
    inputs = {"x": "number", "n": "number", "t": "number", "when": "time", "said": "time"}
    data = {"missing": ["", "-999", "1900-01-01"]}
    asked = {**inputs, "z": "number"}  # rows differ, so that not all gaps lie on one side
    job = work(tmp_path / "my" / "1" / "data", {"inputs": asked, "data": data}, frame=frame)
    verbs.make(job)
    table = Table.open(job.folder)
    for name in inputs:
        gaps = [value is None for value in table.rows[name]]
        assert gaps == [i % 5 == 0 for i in range(count)], name
        assert table.features[name].missing == ("", "-999", "1900-01-01")
    assert table.features["x"].encode({"x": [-999, "-999.0", None]}).tolist() == [[0, 1]] * 3


def test_columns_of_groups_and_metrics_have_their_kinds(tmp_path: Path) -> None:
    rows = [
        f"{i % 60},{'ab'[i % 2]},{i}.5,{i % 3},2024/1/{1 + i % 9},n{i},{'no' if i % 3 else 'yes'}" for i in range(90)
    ]
    (tmp_path / "my.csv").write_text("\n".join(["age,group,amount,shop,day,who,y", *rows]))
    evaluate = {"groups": ["shop"], "metrics": {"m": 'mean(amount) where amount > 100 and day > "2024-01-05"'}}
    data = {"source": "my.csv", "split": {"by": "group", "column": "who"}}
    table, _, _ = made(tmp_path, data=data, evaluate=evaluate)
    assert table.rows[3] == {**table.rows[3], "amount": 3.5, "shop": 0.0, "day": "2024-01-04", "who": "n3"}


def test_labels_in_several_spellings_are_told_and_joined_when_asked(tmp_path: Path) -> None:
    said = ["yes", "no", "YES", "no", "Yes ", "No", "yes", "ｙｅｓ", "no", "maybe"]
    rows = [f"{i},{'ab'[i % 2]},{said[i % 10]}" for i in range(200)]
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *rows]))
    apart, facts, _ = made(tmp_path, data={"source": "my.csv"})
    assert len(apart.features["target"].labels) == 7
    (line,) = [line for line in facts["cleaning"] if line["what"] == "label spellings"]
    assert (line["rows"], line["done"]) == (80, "classes of their own")
    assert line["key"] == 'target: {column: "y", spellings: join}' and "'YES' for 'yes'" in line["why"]
    target = {"column": "y", "spellings": "join"}
    joined, facts, _ = made(tmp_path, number=2, data={"source": "my.csv"}, target=target)
    assert joined.features["target"].labels == ("maybe", "no", "yes")
    assert joined.rows["y"].count("yes") == 100 and joined.rows["y"].count("no") == 80
    (line,) = [line for line in facts["cleaning"] if line["what"] == "label spellings"]
    assert (line["rows"], line["done"]) == (80, "joined")
    grades = [f"{i},a,{['A', 'A-', '1', '-1', '1.5', '15'][i % 6]}" for i in range(90)]
    (tmp_path / "my.csv").write_text("\n".join(["age,group,y", *grades]))
    assert len(made(tmp_path, number=3, data={"source": "my.csv"}, target=target)[0].features["target"].labels) == 6
