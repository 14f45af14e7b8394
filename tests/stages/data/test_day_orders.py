"""Where the day stands is found out for each file alone, and told where files or rows differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feilun.core.recipe import Recipe
from feilun.stages.data import resolve
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.looking import survey
from feilun.stages.data.reading import sources

DAYS = [(day, month) for month in (1, 2, 3) for day in (1, 5, 12, 28)]
DAY_FIRST = [f"{day:02d}/{month:02d}/2020" for day, month in DAYS]
MONTH_FIRST = [f"{month:02d}/{day:02d}/2020" for day, month in DAYS]
ISO = [f"2020-{month:02d}-{day:02d}" for day, month in DAYS]
FEW = [text for text, (day, _) in zip(MONTH_FIRST, DAYS, strict=True) if day < 28]  # nothing shows which is which


def read(folder: Path, train: list[str], test: list[str], **inputs: Any) -> tuple[list[Any], Any]:
    """The test rows' times, and what was said."""
    for name, cells in (("t", train), ("u", test)):
        rows = [f"{cell},{i % 5},{'ab'[i % 2]}" for i, cell in enumerate(cells)]
        (folder / f"{name}.csv").write_text("\n".join(["when,x,y", *rows]) + "\n")
    data = {"source": "t.csv", "test": "u.csv"}
    given = Recipe.model_validate({"data": data, "target": "y", "inputs": inputs})
    resolved = given if inputs else resolve.resolve(given, folder)
    whole = survey.prepared(resolved, sources.read(resolved, folder))
    made = clean.to_kinds(whole.table, {"when": "time"}, (), "", survey.day_first(resolved)).table
    return made.column("when").to_pylist()[len(train) :], whole


@pytest.mark.parametrize(
    ("train", "test"), [(DAY_FIRST, MONTH_FIRST), (MONTH_FIRST, DAY_FIRST), (DAY_FIRST, DAY_FIRST), (ISO, MONTH_FIRST)]
)
def test_each_file_is_read_by_its_own_days(tmp_path: Path, train: list[str], test: list[str]) -> None:
    found, whole = read(tmp_path, train, test)
    assert found == ISO
    told = [line for line in whole.lines if line["what"].startswith("dates of")]
    differ = {tuple(train), tuple(test)} == {tuple(DAY_FIRST), tuple(MONTH_FIRST)}
    assert len(told) == differ == any("u.csv" in note and "since" in note for note in whole.notes)


def test_a_file_that_shows_nothing_is_read_like_the_training_file(tmp_path: Path) -> None:
    found, whole = read(tmp_path, MONTH_FIRST, FEW)
    assert found == [iso for iso, (day, _) in zip(ISO, DAYS, strict=True) if day < 28] and whole.lines == ()


def test_two_orders_in_one_file_are_told_with_the_line_that_decides(tmp_path: Path) -> None:
    _, whole = read(tmp_path, [*DAY_FIRST, *MONTH_FIRST], ISO)
    (line,) = whole.lines
    assert line["what"] == "dates in two orders" and line["key"].startswith("inputs: {when: {kind: time, day_first")
    assert "28/01/2020 and 01/28/2020 stand in" in line["why"] and line["done"] == "counted missing"
    assert line["rows"] == 2 * sum(day <= 12 and day != month for day, month in DAYS)
    said = {"when": {"kind": "time", "day_first": False}, "x": "number"}
    found, whole = read(tmp_path, ISO, [*DAY_FIRST, *MONTH_FIRST], **said)
    assert found[len(DAYS) :] == ISO and found[:4][-1] is None
    assert [line["done"] for line in whole.lines] == ["month first, others missing"]


def test_what_shows_an_order() -> None:
    import pyarrow as pa

    def shown(*cells: str | None) -> tuple[str, str]:
        return dates.shown(pa.chunked_array([pa.array(cells, pa.string())]))

    assert shown("01/02/2020", None, "word", "2020-01-31", "45/01/2020x") == ("", "")
    assert shown(" 31.1.2020", "1-31-2020 10:30") == ("31.1.2020", "1-31-2020 10:30")
    assert shown() == ("", "")
