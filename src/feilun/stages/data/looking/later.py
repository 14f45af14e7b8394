"""Columns that are known only later than the answer is needed: by their names, and by dates that always come last."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

LEAST_ROWS = 100
ALWAYS = 0.999  # of the rows in which both dates are known
# Words of what happens after the fact: cancel_date, days_after, end_date, closed_at, outcome, refund_amount, ...
NAME = re.compile(
    r"(^|_)(after|post|afterwards)$|(^|_)cancel(l?ed|l?ation|led)?(_|$)|(^|_)(churn|termination|terminated|closing|closed|"
    r"exit|end|resolved|resolution|refund|refunded|chargeback|discharge|settled|settlement)_(date|time|at|on|reason|day|"
    r"amount|code|status)$|(^|_)(outcome|resolution|chargeback)$|取消|结束(日期|时间)|离职|退款|注销"
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def by_name(columns: Sequence[str]) -> dict[str, str]:
    """{column: warning} of columns whose name says that they are filled afterwards."""
    words = "by its name known only afterwards: is it known in time?"
    return {name: words for name in columns if NAME.search(re.sub(r"[\W_]+", "_", CAMEL.sub("_", name)).lower())}


def by_date(times: Mapping[str, np.ndarray]) -> dict[str, str]:
    """{column: warning} of dates that are later than another date of the same row, always. times: datetime64 (N,)."""
    warnings: dict[str, str] = {}
    for late, ends in times.items():
        for early, starts in times.items():
            both = ~(np.isnat(ends) | np.isnat(starts))
            if late == early or both.sum() < LEAST_ROWS or late in warnings:
                continue
            gap = ends[both] - starts[both]
            if (gap > np.timedelta64(0)).mean() >= ALWAYS:
                warnings[late] = f"always later than {early}: is it known in time?"
    return warnings
