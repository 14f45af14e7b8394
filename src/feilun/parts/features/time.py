"""Dates and times: how far along, the year, and where in month, week and day, each as a place on a circle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.ops import missing
from feilun.parts.ops.coded import Coded

# The forms that are read, here and, in RE2, by the data stage. A clock may follow any day.
CLOCK = (
    r"(?:(?:[T\s]\s*)(?P<hour>\d{1,2})[:时点](?P<minute>\d{1,2})(?:[:分](?P<second>\d{1,2})?(?:[.,](?P<part>\d{1,9}))?)?秒?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?$"
)
YEAR_FIRST = r"^(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?" + CLOCK
YEAR_LAST = r"^(?P<one>\d{1,2})(?P<mark>[-/.])(?P<two>\d{1,2})[-/.](?P<year>\d{4})" + CLOCK
DAY_NAMED = r"^(?P<day>\d{1,2})\.?[\s-](?P<name>[A-Za-z]{3,9})\.?,?[\s-](?P<year>\d{4})" + CLOCK
NAME_FIRST = r"^(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})" + CLOCK
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
GAP = "missing"
DAY_WORD = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LIMIT = 1e4  # encoded values stay within this
DAY = np.timedelta64(1, "D")


def _days(times: np.ndarray) -> np.ndarray:
    return np.asarray((times - np.datetime64("1970-01-01", "us")) / DAY)


def _year(times: np.ndarray) -> np.ndarray:
    return times.astype("M8[Y]").astype(np.float64) + 1970


def _month(times: np.ndarray) -> np.ndarray:
    return np.asarray((times.astype("M8[M]") - times.astype("M8[Y]").astype("M8[M]")).astype(np.float64) / 12)


def _weekday(times: np.ndarray) -> np.ndarray:
    return np.asarray((times.astype("M8[D]").astype(np.float64) + 3) % 7 / 7)  # 1970-01-01 was a Thursday


def _day(times: np.ndarray) -> np.ndarray:
    return np.asarray((times.astype("M8[D]") - times.astype("M8[M]").astype("M8[D]")).astype(np.float64) / 31)


def _hour(times: np.ndarray) -> np.ndarray:
    return np.asarray((times - times.astype("M8[D]").astype("M8[us]")) / DAY)


LINES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"days": _days, "year": _year}
CIRCLES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {  # share of the way around, 0 to 1
    "month": _month,
    "weekday": _weekday,
    "day": _day,
    "hour": _hour,
}


@dataclass(frozen=True, kw_only=True)
class Time:
    """One column of dates or times as float32 (N, width): of `parts`, those that vary in the training rows.

    Values are ISO text, datetimes, or the usual spellings (2024/1/5, 5.1.2024, 2024年1月5日 10:30).  What has a zone is
    taken as UTC.  days: whether days and year count; without them only month, weekday, day and hour are seen, which
    later rows repeat.  day_first: what 01/02/2020 means; left out, such a value is an error.
    missing: data.missing: what is no time; a day among them, such as 1900-01-01, in whatever spelling.
    days and year are standardised; the others are sine and cosine of their place on the circle.  A missing value is 0,
    and marked where training rows had gaps.
    """

    kind: ClassVar[str] = "time"

    columns: tuple[str, ...]
    days: bool = True
    day_first: bool | None = None
    missing: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()  # fitted
    scales: tuple[tuple[float, float], ...] = ()  # fitted: mean and deviation of those parts that lie on a line
    example: str = ""  # fitted: the middle of the training rows' time

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "missing", tuple(self.missing))
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "scales", tuple(tuple(scale) for scale in self.scales))

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.parts)

    @property
    def width(self) -> int:
        """Numbers per row that `encode` gives."""
        return sum(2 if part in CIRCLES else 1 for part in self.parts)

    def fit(self, rows: Rows) -> Time:
        """Learn which parts vary, their scales, and whether there are gaps. Raises DataError if there is no time."""
        times = self._times(rows)
        known = times[~np.isnat(times)]
        if not len(known):
            raise DataError(
                f"Column {self.columns[0]!r} has no time in {len(times):,} training rows. Fill it, or leave it out.",
                where=self.columns[0],
                expected="at least one date or time",
                got="none",
                fix=f"data.drop: [{self.columns[0]}]",
            )
        lines = {name: LINES[name](known) for name in LINES if self.days}
        parts = [name for name, values in lines.items() if np.ptp(values)]
        parts += [name for name, place in CIRCLES.items() if np.ptp(place(known))]
        parts = parts or ["days"]
        scales = tuple(_scale(LINES[name](known)) for name in parts if name in LINES)
        parts += [GAP] if len(known) < len(times) else []
        middle = known.min() + (known.max() - known.min()) // 2
        example = str(middle.astype("M8[s]" if "hour" in parts else "M8[D]"))
        return replace(self, parts=tuple(parts), scales=scales, example=example)

    def encode(self, rows: Rows) -> np.ndarray:
        """float32 (N, width). Raises DataError for what is no date."""
        times = self._times(rows)
        gap = np.isnat(times)
        filled = np.where(gap, np.datetime64("1970-01-01", "us"), times)
        made: list[np.ndarray] = []
        lines = [part for part in self.parts if part in LINES]
        for part, (mean, scale) in zip(lines, self.scales, strict=True):
            made.append(np.clip((LINES[part](filled) - mean) / scale, -LIMIT, LIMIT))
        for angle in [2 * np.pi * CIRCLES[part](filled) for part in self.parts if part in CIRCLES]:
            made += [np.sin(angle), np.cos(angle)]
        encoded = [np.where(gap, 0.0, part) for part in made] + [gap] * (GAP in self.parts)
        return np.stack(encoded, axis=1).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    def _times(self, rows: Rows) -> np.ndarray:
        values, absent = rows[self.columns[0]], missing.of(self.missing)
        if isinstance(values, Coded):
            return values.once(lambda different: self._times({self.columns[0]: different}))
        times = times_of(self.columns[0], [None if absent.says(value) else value for value in values], self.day_first)
        times[absent_days(times, self.missing)] = np.datetime64("NaT")
        return times


FEATURE = Time


def times_of(column: str, values: Sequence[Any], day_first: bool | None = None) -> np.ndarray:
    """datetime64[us] (N,), NaT where missing. Raises DataError for what is no date, or may be read in two ways."""
    found = [None if value is None or value == "" else _one(column, value, day_first) for value in values]
    return np.array(found, dtype="M8[us]")


def absent_days(times: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """bool (N,): times on a day that stands among these words as 1900-01-01, which programs write for no date."""
    days = [word for word in words if DAY_WORD.fullmatch(word.strip()) and read(word.strip()) is not None]
    return np.isin(times.astype("M8[D]"), np.array(days, "M8[D]")) if days else np.zeros(len(times), bool)


def read(text: str, day_first: bool | None = None) -> datetime | None:
    """A time without zone (UTC where one was written), or None for what is no time or may be read in two ways."""
    try:
        return _plain(datetime.fromisoformat(text)) if text[4:5] == "-" else _Spelled(text, day_first).time
    except (ValueError, OverflowError):
        pass
    try:
        return _Spelled(text, day_first).time
    except (ValueError, OverflowError):
        return None


class _Spelled:
    """What a form's groups say."""

    def __init__(self, text: str, day_first: bool | None) -> None:
        found = next((match for form in _forms() if (match := form.match(text.strip()))), None)
        self.groups: dict[str, str | None] = found.groupdict() if found else {}
        self.day_first = day_first

    @cached_property
    def time(self) -> datetime | None:
        """Raises ValueError for a day or an hour that does not exist."""
        day = self._day()
        if day is None:
            return None
        half = (self.groups["half"] or "").lower()[:1]
        hour = int(self.groups["hour"] or 0)
        if half and not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + 12 * (half == "p") if half else hour
        part = int((self.groups["part"] or "0").ljust(6, "0")[:6])
        clock = (hour, int(self.groups["minute"] or 0), int(self.groups["second"] or 0), part)
        return datetime(day.year, day.month, day.day, *clock) - offset(self.groups["zone"])

    def _day(self) -> date | None:
        groups = self.groups
        if not groups:
            return None
        year = int(groups["year"] or 0)
        if "one" in groups:
            one, two = int(groups["one"] or 0), int(groups["two"] or 0)
            first = order_of(one, two, str(groups["mark"]), self.day_first)
            return None if first is None else date(year, two if first else one, one if first else two)
        if "name" in groups:
            return date(year, MONTHS.index(str(groups["name"])[:3].lower()) + 1, int(groups["day"] or 0))
        return date(year, int(groups["month"] or 0), int(groups["day"] or 0))


def order_of(one: int, two: int, mark: str, day_first: bool | None) -> bool | None:
    """Whether the day stands first; None where nobody can know. With dots it does, as everywhere dots are used."""
    if mark == "." and day_first is None:
        return True
    if day_first is None and one <= 12 and two <= 12:
        return True if one == two else None
    return one > 12 if day_first is None else day_first


def _forms() -> list[re.Pattern[str]]:
    return [re.compile(form) for form in (YEAR_FIRST, YEAR_LAST, DAY_NAMED, NAME_FIRST)]  # re keeps them


def _one(column: str, value: Any, day_first: bool | None) -> datetime | np.datetime64 | None:
    if isinstance(value, str):
        found = read(value, day_first)
        if found is None and value.strip():
            raise _wrong(column, value)
        return found
    if isinstance(value, datetime):
        return None if value != value else _plain(value)  # pandas has a NaT
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, np.datetime64):
        return value
    if isinstance(value, float) and value != value:
        return None
    raise _wrong(column, value)


def _plain(time: datetime) -> datetime:
    return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)


def offset(zone: str | None) -> timedelta:
    """How far east of UTC a written zone lies, such as +08:00."""
    if not zone or zone[0] not in "+-":
        return timedelta()
    minutes = 60 * int(zone[1:3]) + int(zone[-2:])
    return timedelta(minutes=minutes if zone[0] == "+" else -minutes)


def _scale(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) or 1.0


def _wrong(column: str, value: Any) -> DataError:
    return DataError(
        f"Column {column!r} holds dates or times; {value!r:.60} is not one, or may be read in two ways. Write it as "
        "2024-01-31 or 2024-01-31T10:30:00; null where it is not known.",
        where=column,
        expected="a date such as 2024-01-31, or null",
        got=f"{value!r:.60}",
        fix="write it as 2024-01-31",
    )
