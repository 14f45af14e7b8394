"""Columns that are known only later: dates, names, gaps, words and times that say the target."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from feilun.stages.data.looking import later, leaks

DRAW = np.random.default_rng(5)
COUNT = 600
YES = DRAW.random(COUNT) < 0.3
TARGET = pa.chunked_array([pa.array(np.where(YES, "yes", "no").tolist())])


@pytest.mark.parametrize(
    "name",
    [
        "cancel_date",
        "cancelDate",
        "cancelled",
        "days_after",
        "end_date",
        "closed_at",
        "exit_reason",
        "refund_amount",
        "outcome",
        "loan_resolution",
        "chargeback",
        "取消原因",
        "结束日期",
        "离职时间",
    ],
)
def test_names_of_what_comes_afterwards(name: str) -> None:
    assert name in later.by_name([name])


@pytest.mark.parametrize(
    "name",
    [
        "duration",
        "weekend",
        "end",
        "gender",
        "calendar_date",
        "start_date",
        "post_code",
        "poutcome",
        "closing_price_x",
        "after_tax",
        "recent_date",
        "spender",
        "capital-loss",
        "campaign",
        "日期",
    ],
)
def test_names_that_say_nothing(name: str) -> None:
    assert later.by_name([name]) == {}


def test_dates_that_always_come_last() -> None:
    start = np.datetime64("2024-01-01", "us") + DRAW.integers(0, 10**8, COUNT).astype("m8[s]")
    end = start + DRAW.integers(1, 10**6, COUNT).astype("m8[s]")
    end[::3] = np.datetime64("NaT")
    other = np.datetime64("2024-01-01", "us") + DRAW.integers(0, 10**8, COUNT).astype("m8[s]")
    assert later.by_date({"left": end, "came": start, "born": other}) == {
        "left": "always later than came: is it known in time?"
    }
    assert later.by_date({"left": end[:50], "came": start[:50]}) == {}


def found(**beside: list[object]) -> dict[str, str]:
    noise = pa.chunked_array([pa.array(DRAW.normal(size=COUNT))])
    columns = {name: pa.chunked_array([pa.array(values)]) for name, values in beside.items()}
    return leaks.find({"noise": noise}, TARGET, classes=True, beside=columns)


def test_gaps_words_and_times_that_say_the_target() -> None:
    gap = [f"note {i}" if yes else None for i, yes in enumerate(YES)]
    assert "is missing just where the target says so" in found(reason=gap)["reason"]
    words = [f"{'paid' if yes else 'open'} item {i}" for i, yes in enumerate(YES)]
    assert "almost alone" in found(note=words)["note"]
    times = [float(i + 10_000 * yes) for i, yes in enumerate(YES)]
    assert "almost alone" in found(when=times)["when"]


def test_ordinary_gaps_words_and_times_are_quiet() -> None:
    gap = [f"note {i}" if DRAW.random() < 0.5 else None for i in range(COUNT)]
    words = [f"{'good' if DRAW.random() < 0.3 + 0.4 * yes else 'bad'} item {i}" for i, yes in enumerate(YES)]
    assert found(gap=gap, note=words, when=[float(i) for i in range(COUNT)]) == {}
