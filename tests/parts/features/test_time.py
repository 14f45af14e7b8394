"""Time: what is read, what is refused, which parts are encoded, and that a circle closes."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError
from feilun.parts.features import time
from feilun.parts.ops.coded import Coded

HOURS = [f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00:00" for i in range(24 * 20)]


def fitted(values: Any, **options: Any) -> Any:
    return discover.feature("time", columns=("when",), **options).fit({"when": values})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-05", "2024-01-05T00:00"),
        ("2024/1/5", "2024-01-05T00:00"),
        ("5.1.2024", "2024-01-05T00:00"),
        ("2024年1月5日", "2024-01-05T00:00"),
        ("2024年1月5日 10时30分", "2024-01-05T10:30"),
        ("25/12/2024 7:05", "2024-12-25T07:05"),
        ("12/25/2024 7:05 PM", "2024-12-25T19:05"),
        ("Jan 5, 2024", "2024-01-05T00:00"),
        ("05-Jan-2024", "2024-01-05T00:00"),
        ("2024-01-05T10:30:00+08:00", "2024-01-05T02:30"),
        ("2024-01-05 10:30Z", "2024-01-05T10:30"),
        ("01/02/2024", None),  # January or February
        ("2024-02-30", None),
        ("2024-01-05 25:00", None),
        ("today", None),
        ("12", None),
        ("20240105T", None),
    ],
)
def test_texts(text: str, expected: str | None) -> None:
    found = time.read(text)
    assert (found and found.isoformat(timespec="minutes")) == expected


def test_the_order_of_day_and_month_is_told_never_guessed() -> None:
    days = ["2024-02-01", "2024-02-02"]
    first, second = fitted(days, day_first=True), fitted(days, day_first=False)
    assert (first.encode({"when": ["02/01/2024"]}) == first.encode({"when": ["2024-01-02"]})).all()
    assert (second.encode({"when": ["02/01/2024"]}) == second.encode({"when": ["2024-02-01"]})).all()
    with pytest.raises(DataError, match="may be read in two ways"):
        fitted(days).encode({"when": ["02/01/2024"]})
    with pytest.raises(DataError, match="'31/02/2024'"):
        first.encode({"when": ["31/02/2024"]})


def test_only_parts_that_vary_are_encoded() -> None:
    assert fitted(HOURS).parts == ("days", "weekday", "day", "hour")
    assert fitted(["2024-01-05", "2024-01-06"]).parts == ("days", "weekday", "day")
    assert fitted(HOURS, days=False).parts == ("weekday", "day", "hour")
    assert fitted(["2024-01-05"] * 3).parts == ("days",)
    made = fitted([f"{year}-05-0{day}" for year in (2020, 2021) for day in (1, 2)])
    assert made.parts == ("days", "year", "weekday", "day")
    encoded = made.encode({"when": ["2020-05-01"]})
    assert encoded.dtype == np.float32 and encoded.shape == (1, made.width) == (1, 6)


def test_circles_close_and_days_are_standardised() -> None:
    made = fitted(HOURS, days=False)
    late, early, noon = made.encode({"when": ["2024-01-08T23:59:00", "2024-01-08T00:00:00", "2024-01-08T12:00:00"]})[
        :, -2:
    ]
    assert np.abs(late - early).max() < 0.01 and np.allclose(early, [0, 1]) and np.allclose(noon, [0, -1], atol=1e-6)
    monday = fitted(HOURS).encode({"when": ["2024-01-01", "2024-01-08"]})
    assert np.allclose(monday[0, 1:3], monday[1, 1:3]) and np.allclose(monday[0, 1:3], [0, 1])  # both are Mondays
    days = fitted(HOURS).encode({"when": HOURS})[:, 0]
    assert abs(days.mean()) < 1e-5 and abs(days.std() - 1) < 1e-5


def test_gaps_are_marked() -> None:
    made = fitted(["2024-01-01", None, "2024-01-03"])
    there, gap = made.encode({"when": ["2024-01-03", None]})
    assert there[-1] == 0 and gap[-1] == 1 and not gap[:-1].any()
    assert not fitted(["2024-01-01", "2024-01-03"]).encode({"when": [None, ""]}).any()
    with pytest.raises(DataError, match="no time in 2 training rows"):
        fitted([None, ""])


def test_datetimes_coded_texts_and_json() -> None:
    made = fitted(HOURS)
    assert discover.feature(**{"kind": "time", **json.loads(json.dumps(made.to_json()))}) == made
    zone = datetime.timezone(datetime.timedelta(hours=2))
    same = [datetime.datetime(2024, 1, 5, 3, tzinfo=zone), np.datetime64("2024-01-05T01:00"), "2024-01-05T01:00:00"]
    assert np.ptp(made.encode({"when": same}), axis=0).max() == 0
    few = Coded(["2024-01-05", "2024-01-06", None], np.array([0, 1, 1, 2]))
    assert (made.encode({"when": few}) == made.encode({"when": list(few)})).all()
    for wrong in ("soon", 5, ["2024-01-05"], True):
        with pytest.raises(DataError, match="holds dates or times"):
            made.encode({"when": [wrong]})
    assert np.isfinite(made.encode({"when": ["9999-12-31", "0001-01-01"]})).all()


def test_listed_words_and_days_are_no_time() -> None:
    made = fitted(["2024-01-01", "1900-01-01", "soon", "2024-01-03"], missing=("soon", "1900-01-01"))
    gaps = made.encode({"when": ["1900-01-01", "1.1.1900", "1900-01-01T10:00", "soon", datetime.date(1900, 1, 1)]})
    assert gaps[:, -1].tolist() == [1] * 5 and not gaps[:, :-1].any()
    assert made.encode({"when": Coded(["soon", "2024-01-03"], np.array([0, 1, 0]))})[:, -1].tolist() == [1, 0, 1]
