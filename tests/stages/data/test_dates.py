"""Whole columns of dates: every usual spelling, what the column decides, what is said to be lost."""

from __future__ import annotations

import datetime
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from feilun.core.errors import DataError
from feilun.parts.features import time
from feilun.stages.data.cells import clean, dates
from feilun.stages.data.looking import kinds


def column(values: list[Any]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def iso(values: list[Any], day_first: bool | None = None) -> list[str | None]:
    found: list[str | None] = dates.to_iso(dates.read(column(values), day_first).times).to_pylist()
    return found


@pytest.mark.parametrize(
    ("values", "expected", "order"),
    [
        (["25/12/2020", "01/02/2020"], ["2020-12-25", "2020-02-01"], "day first"),
        (["12/25/2020", "01/02/2020"], ["2020-12-25", "2020-01-02"], "month first"),
        (["5.1.2024", "31.1.2024"], ["2024-01-05", "2024-01-31"], ""),
        (["2024/1/5", "2024年1月6日"], ["2024-01-05", "2024-01-06"], ""),
        (["2024-01-05 10:00", "5 Jan 2024"], ["2024-01-05T10:00:00", "2024-01-05T00:00:00"], ""),
        (["2024-01-05T10:00+02:00", None], ["2024-01-05T08:00:00", None], ""),
        (["2024-01-05T10:00:00.25"], ["2024-01-05T10:00:00.250000"], ""),
    ],
)
def test_spellings(values: list[Any], expected: list[str | None], order: str) -> None:
    assert iso(values) == expected
    assert dates.read(column(values)).order == order


def test_three_formats_in_one_column_are_read_where_they_are_plain_and_lost_where_not() -> None:
    found = dates.read(column(["2024-01-05", "5.1.2024", "01/05/2024", "01/05/2024", "13/05/2024", "12/31/2024"]))
    assert dates.to_iso(found.times).to_pylist() == ["2024-01-05", "2024-01-05", None, None, "2024-05-13", "2024-12-31"]
    assert (found.lost, found.unread, found.order) == (2, ("01/05/2024",), "")
    finding = kinds.find("c", column([*["2024-01-05", "5.1.2024", "01/05/2024"] * 9, None]))
    assert finding.kind == "time" and "9 dates cannot be read (01/05/2024)" in finding.warning and finding.missing == 1


def test_nothing_decides_so_it_is_said() -> None:
    found = kinds.find("c", column(["01/02/2020", "03/02/2020", "02/02/2020"] * 9))
    assert found.options == {"day_first": True} and "nothing shows whether the day" in found.warning
    rising = [f"{month:02d}/{day:02d}/2020" for month in range(1, 13) for day in range(1, 13)]
    assert not dates.read(column(rising)).day_first  # rows stand in the order of time
    assert iso(["01/02/2020", "03/02/2020"], False) == ["2020-01-02", "2020-03-02"]
    assert iso(["01/02/2020", "13/02/2020"], False) == ["2020-01-02", None]


def test_arrow_times() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=8))
    assert iso([datetime.date(2024, 1, 5), None]) == ["2024-01-05", None]
    assert iso([datetime.datetime(2024, 1, 5, 3, tzinfo=zone)]) == ["2024-01-04T19:00:00"]
    for unit in ("s", "ms", "us", "ns"):
        assert dates.to_iso(dates.read(column([5]).cast(pa.timestamp(unit))).times).null_count == 0
    assert kinds.find("c", column([datetime.time(3), datetime.time(4)])).kind == "identifier"


def test_columns_and_single_values_are_read_alike() -> None:
    draw = random.Random(1)
    for form in (
        "{y}-{m:02d}-{d:02d}T{h:02d}:{n:02d}+08:00",
        "{y}/{m}/{d} {h}:{n:02d}",
        "{d}/{m}/{y} {h}:{n:02d}:07.5",
    ):
        numbers = [
            {"y": draw.randint(1900, 2100), "m": draw.randint(0, 13), "d": draw.randint(0, 32)} for _ in range(200)
        ]
        texts = [form.format(**row, h=draw.randint(0, 25), n=draw.randint(0, 61)) for row in numbers]
        whole = dates.read(column(texts), True).times
        single = np.array([time.read(text, True) for text in texts], "M8[us]")
        assert ((whole == single) | (np.isnat(whole) & np.isnat(single))).all(), form
        assert 20 < np.isnat(whole).sum() < 180


def test_a_time_that_orders_the_rows_is_seen_without_its_days() -> None:
    rising = [f"2024-01-{day:02d}" for day in range(1, 29)]
    assert kinds.find("c", column(rising)).options == {"days": False}
    assert kinds.find("c", column(rising[::-1])).options == {"days": False}
    assert kinds.find("c", column([*rising, "2024-01-03"])).options == {}


def test_rows_hold_iso_text_and_losses_are_noted() -> None:
    table = pa.table({"c": ["2024-01-05", "05/13/2024", "2024-02-31", None]})
    cleaned = clean.to_kinds(table, {"c": "time"}, (), "my.csv")
    assert cleaned.table.column("c").to_pylist() == ["2024-01-05", "2024-05-13", None, None]
    assert cleaned.notes == ("c: 1 dates cannot be read (2024-02-31) and count as missing",)
    with pytest.raises(DataError, match="should hold dates or times, and 'soon'"):
        clean.to_kinds(pa.table({"c": ["soon"]}), {"c": "time"}, (), "my.csv")
    with pytest.raises(DataError, match="and 'int64' cannot be read"):
        clean.to_kinds(pa.table({"c": [1_700_000_000]}), {"c": "time"}, (), "my.csv")  # seconds are not guessed
