"""What a recipe leaves out is filled in, what it says stays, what it says wrongly is told with the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.stages.data import verbs
from feilun.stages.data.reading import pictures

COLORS = ("red", "blue", "green")
ADJECTIVES = ("good", "bad", "slow", "warm", "new", "old", "odd")


def resolve(folder: Path, values: dict[str, Any], frame: Any = None) -> Recipe:
    found = verbs.resolve(Recipe.model_validate(values), folder, frame)
    assert verbs.resolve(found, folder, frame) == found, "a second time must change nothing"
    again = Recipe.model_validate(found.model_dump(mode="json"))
    assert verbs.resolve(again, folder, frame).model_dump() == found.model_dump()
    return found


def customers(folder: Path, name: str = "客户 2024.csv", rows: int = 120) -> str:
    lines = [
        f"{i},{i * 7 % 50 + 0.5},{COLORS[i % 3]},the {ADJECTIVES[i % 7]} one is {i} days old,1,"
        f"{'yes' if i % 5 < 2 else 'no'},{i * 1.5}"
        for i in range(rows)
    ]
    (folder / name).write_text("\n".join(["编号,价格,color,comment,same,流失,spent", *lines]))
    return name


def test_a_table_is_filled_in(tmp_path: Path) -> None:
    source = customers(tmp_path)
    found = resolve(tmp_path, {"data": {"source": source}, "target": "流失"})
    assert (found.name, found.task, found.model.name) == ("客户-2024", "classification", "mlp")
    assert {name: column.kind for name, column in found.inputs.items()} == {
        "价格": "number",
        "color": "category",
        "comment": "text",
        "spent": "number",
    }


def test_numbers_are_regressed_and_few_whole_numbers_are_classes(tmp_path: Path) -> None:
    source = customers(tmp_path)
    assert resolve(tmp_path, {"data": {"source": source}, "target": "spent"}).task == "regression"
    forced = resolve(tmp_path, {"data": {"source": source}, "target": "流失", "task": "tabular_classification"})
    assert forced.task == "classification"
    frame: dict[str, list[Any]] = {"a": [0.5 * i for i in range(60)], "stars": [i % 5 for i in range(60)]}
    assert resolve(tmp_path, {"target": "stars"}, frame).task == "classification"
    assert resolve(tmp_path, {"target": "stars", "task": "regression"}, frame).task == "regression"
    frame["tags"] = [["x", "y"], ["y"], []] * 20
    assert resolve(tmp_path, {"target": "tags", "inputs": {"a": "number"}}, frame).task == "classification"
    frame["text tags"] = ["x|y", "y", "z|x"] * 20
    target = {"column": "text tags", "separator": "|"}
    assert resolve(tmp_path, {"target": target, "inputs": {"a": "number"}}, frame).task == "classification"


@pytest.mark.parametrize(
    ("inputs", "model"),
    [
        ({"image": "image"}, "cnn"),
        ({"text": "text", "other": "text"}, "gru"),
        ({"number": "number", "word": "category"}, "mlp"),
        ({"number": "number", "text": "text"}, "mlp"),
    ],
)
def test_the_model_follows_the_kinds(tmp_path: Path, inputs: dict[str, str], model: str) -> None:
    found = resolve(tmp_path, {"data": {"source": "my.csv"}, "task": "classification", "target": "y", "inputs": inputs})
    assert found.model.name == model
    assert resolve(tmp_path, {**found.model_dump(mode="json"), "model": "linear"}).model.name == "linear"


def test_given_inputs_are_the_only_ones_and_keep_their_options(tmp_path: Path) -> None:
    source = customers(tmp_path)
    inputs = {"comment": {"tokens": "words"}, "价格": "category"}
    found = resolve(tmp_path, {"data": {"source": source}, "target": "流失", "inputs": inputs})
    assert {name: (column.kind, column.options) for name, column in found.inputs.items()} == {
        "comment": ("text", {"tokens": "words"}),
        "价格": ("category", {}),
    }


def test_a_folder_of_pictures_needs_nothing(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "pets" / ("cats" if number % 2 else "dogs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.to_png(np.full((4, 4), number, np.uint8)))
    found = resolve(tmp_path, {"data": {"source": "pets"}, "inputs": {"image": {"size": 8}}})
    assert found.target is not None
    assert (found.name, found.target.column, found.inputs["image"].kind, found.model.name) == (
        "pets",
        "label",
        "image",
        "cnn",
    )


def test_every_task_s_example_is_complete_and_the_user_s_keys_win(tmp_path: Path) -> None:
    for name in discover.names("tasks"):
        task = discover.task(name)
        found = resolve(tmp_path, {"data": {"source": f"builtin:{name}"}})
        assert (found.task, found.name) == (name, name)
        for key, value in task.example_recipe.get("train", {}).items():
            assert getattr(found.train, key) == value
        mine = resolve(tmp_path, {"data": {"source": f"builtin:{name}"}, "train": {"epochs": 77}, "name": "mine"})
        assert (mine.train.epochs, mine.name) == (77, "mine")
        assert mine.train.model_copy(update={"epochs": found.train.epochs}) == found.train
    alias = next(iter(discover.aliases("tasks")))
    assert resolve(tmp_path, {"data": {"source": f"builtin:{alias}"}}).task == discover.aliases("tasks")[alias]


def test_a_usual_name_is_the_target_where_none_is_given(tmp_path: Path) -> None:
    frame = {"a": [0.5 * i for i in range(60)], "label": ["x", "y"] * 30}
    found = resolve(tmp_path, {}, frame)
    assert found.target is not None
    assert (found.target.column, found.name) == ("label", "table")
    with pytest.raises(RecipeError, match=r"target is missing: which column of .* a, b"):
        resolve(tmp_path, {}, {"a": [1, 2], "b": [1, 2]})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"task": "clasification"}, "task: There is no task 'clasification'. Did you mean classification"),
        ({"inputs": {"价格": "numbr"}}, r"inputs\.价格\.kind: There is no kind 'numbr'. Did you mean number"),
        ({"inputs": {"comment": {"kind": "text", "token": "words"}}}, "no option 'token'. Did you mean tokens"),
        ({"inputs": {"comment": {"kind": "text", "tokens": "wrds"}}}, "tokens 'wrds'"),
        ({"inputs": {"comment": {"kind": "text", "known": ["a"]}}}, "no option 'known'"),
        ({"model": "mpl"}, "There is no model 'mpl'. Did you mean mlp"),
        ({"model": {"name": "mlp", "widht": 3}}, "no option 'widht'. Did you mean width"),
    ],
)
def test_wrong_keys_and_values(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    source = customers(tmp_path)
    with pytest.raises(RecipeError, match=words):
        resolve(tmp_path, {"data": {"source": source}, "target": "流失", **values})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"target": "流水"}, "no column '流水'. Did you mean '流失'"),
        ({"inputs": {"colour": "category"}}, "no column 'colour'. Did you mean 'color'"),
        ({"inputs": {"colour": {}}}, "no column 'colour'. Did you mean 'color'"),
        ({"data": {"source": "客户 2025.csv"}}, "Did you mean .*客户 2024.csv"),
        ({"target": "same"}, "one class only, '1'"),
        ({"target": "comment"}, "120 different values in 120 rows, too many to be classes"),
        (
            {"data": {"source": "客户 2024.csv", "drop": ["价格", "color", "comment", "spent"]}},
            "column to learn from",
        ),
        ({"data": {"source": "客户 2024.csv", "drop": ["colr"]}}, "no column 'colr'. Did you mean 'color'"),
    ],
)
def test_data_that_does_not_fit(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    source = customers(tmp_path)
    with pytest.raises(DataError, match=words):
        recipe = Recipe.model_validate({"data": {"source": source}, "target": "流失", **values})
        verbs.make(work_of(verbs.resolve(recipe, tmp_path), tmp_path))


def work_of(recipe: Recipe, folder: Path) -> Any:
    from feilun.core.progress import Quiet
    from feilun.core.work import Work

    task = discover.task(str(recipe.task))
    (folder / "made").mkdir()
    return Work(recipe=recipe, task=task, folder=folder / "made", before={}, say=Quiet(), base=folder)


def test_profile_says_what_and_why(tmp_path: Path) -> None:
    source = customers(tmp_path, rows=300)
    columns = verbs.profile(Recipe.model_validate({"data": {"source": source}, "target": "流失"}), tmp_path)
    found = {entry["column"]: entry for entry in columns}
    assert [entry["role"] for entry in columns] == ["left out", *["input"] * 3, "left out", "target", "input"]
    assert found["编号"]["why"] == "counts the rows"
    assert found["same"]["why"] == "the same in every row"
    assert found["流失"]["why"] == "no 60.0 %, yes 40.0 %, so classification"
    assert {entry["rows"] for entry in columns} == {300}
    assert set(columns[0]) == {
        "column",
        "kind",
        "role",
        "missing",
        "distinct",
        "why",
        "warning",
        "rows",
        "options",
        "override",
    }


def test_profile_of_data_whose_target_nobody_knows(tmp_path: Path) -> None:
    columns = verbs.profile(Recipe(), tmp_path, {"a": [1.5, 2.5, 3.0], "b": ["x", "y", "x"]})
    assert [(entry["column"], entry["role"]) for entry in columns] == [("a", "input"), ("b", "input")]


def test_profile_warns_of_the_answer_in_disguise(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    answer = random.integers(0, 2, 400)
    frame = {"noise": random.normal(size=400), "cancelled": np.where(answer, "2024", None), "churn": answer}
    columns = verbs.profile(Recipe.model_validate({"target": "churn"}), tmp_path, frame)
    assert [bool(entry["warning"]) for entry in columns] == [False, True, False]


def test_nothing_is_read_where_nothing_is_missing(tmp_path: Path) -> None:
    values = {"data": {"source": "gone.csv"}, "task": "classification", "target": "y", "inputs": {"a": "number"}}
    assert resolve(tmp_path, values).name == "gone"


@pytest.mark.parametrize("task", [None, "classification"])
def test_one_look_resolves_and_profiles(tmp_path: Path, task: str | None) -> None:
    recipe = Recipe.model_validate({"data": {"source": customers(tmp_path)}, "target": "流失", "task": task})
    assert verbs.look(recipe, tmp_path) == (verbs.resolve(recipe, tmp_path), verbs.profile(recipe, tmp_path))
    example = Recipe.model_validate({"data": {"source": "builtin:regression"}})  # its own recipe names the inputs
    assert verbs.look(example, tmp_path)[0] == verbs.resolve(example, tmp_path)
