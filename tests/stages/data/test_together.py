"""A folder of files of one kind, read as one table where data.format names the kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from feilun.core.errors import DataError
from feilun.core.recipe import Recipe
from feilun.stages.data.reading import sources


def read(folder: Path, **data: object) -> object:
    recipe = Recipe.model_validate({"name": "t", "data": {"source": str(folder), **data}})
    return sources.read(recipe, folder)


def parts(folder: Path) -> Path:
    (folder / "部分").mkdir()
    (folder / "部分" / "b.jsonl").write_text('{"y": 3, "x": "三"}\n', encoding="utf-8")
    (folder / "部分" / "a.jsonl").write_text('{"x": "one", "y": 1}\n{"x": "two", "y": 2}\n', encoding="utf-8")
    (folder / "部分" / "notes.csv").write_text("z\n1\n", encoding="utf-8")
    return folder / "部分"


def test_files_of_the_named_kind_stand_one_behind_the_other(tmp_path: Path) -> None:
    whole = read(parts(tmp_path), format="jsonl")
    assert whole.table.to_pydict() == {"x": ["one", "two", "三"], "y": [1, 2, 3]}
    assert len(whole.given) == 3 and whole.rows == 3
    assert read(tmp_path / "部分", format="jsonl", limit=2).table.column("x").to_pylist() == ["one", "two"]


def test_without_a_kind_nobody_guesses_and_other_columns_are_told(tmp_path: Path) -> None:
    folder = parts(tmp_path)
    with pytest.raises(DataError, match=r"data\.format: jsonl"):
        read(folder)
    (folder / "c.jsonl").write_text('{"x": "one", "label": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"c\.jsonl has the columns x, label"):
        read(folder, format="jsonl")
