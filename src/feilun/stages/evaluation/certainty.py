"""When to ask a person: how many answers are given, and how many of them are right, at each certainty."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feilun.stages.evaluation import plots
from feilun.stages.evaluation.bilingual import Phrase, tell

MOST_ROWS = 100_000  # test rows looked at
SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)  # of the rows that are answered without a person
POINTS = 60  # of the curve
FEWEST = 20  # rows: below this a share says nothing


def asking(stages: Mapping[str, Path]) -> dict[str, Any]:
    """{chart, rows: [{share, from, right, low, high, asked}], words}; {} where answers carry no certainty."""
    sure, right = _read(stages)
    if len(sure) < FEWEST:
        return {}
    order = sorted(range(len(sure)), key=lambda place: -sure[place])
    counted, hits = [], 0
    for place in order:
        hits += right[place]
        counted.append(hits)
    rows = [_row(share, [sure[place] for place in order], counted) for share in SHARES]
    kept = [row for before, row in zip([None, *rows], rows, strict=False) if before is None or row != before]
    return {"rows": kept, "words": _words(kept, len(sure)), "chart": _chart(counted)}


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    z, share = 1.959964, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def sure_words(share: float) -> str:
    """`87 %`; nothing is quite certain."""
    return ">99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def _read(stages: Mapping[str, Path]) -> tuple[list[float], list[int]]:
    """(certainty, right or not) of the test rows whose answer is one label with its probability."""
    path = stages["evaluation"] / "answers.jsonl" if "evaluation" in stages else None
    sure: list[float] = []
    right: list[int] = []
    if path is None or not path.is_file():
        return sure, right
    with path.open(encoding="utf-8") as lines:
        for _, line in zip(range(MOST_ROWS), lines, strict=False):
            row = json.loads(line)
            answer = row.get("answer")
            if not isinstance(answer, dict) or "label" not in answer or not isinstance(answer.get("score"), float):
                return [], []
            sure.append(answer["score"])
            right.append(int(answer["label"] == row.get("truth")))
    return sure, right


def _row(share: float, sure: Sequence[float], counted: Sequence[int]) -> dict[str, Any]:
    """All rows as sure as the last one within this share are answered: equal certainty is treated equally."""
    last = max(1, round(share * len(sure)))
    while last < len(sure) and sure[last] == sure[last - 1]:
        last += 1
    low, high = wilson(counted[last - 1], last)
    return {
        "share": last / len(sure),
        "from": sure[last - 1] if last < len(sure) else 0.0,
        "surer": sure_words(sure[last - 1]) if last < len(sure) else "0 %",
        "right": counted[last - 1] / last,
        "low": low,
        "high": high,
        "asked": len(sure) - last,
    }


def _words(rows: Sequence[Mapping[str, Any]], count: int) -> Phrase:
    every = rows[0]
    chosen = next((row for row in rows[1:] if row["right"] >= (1 + every["right"]) / 2), rows[-1])
    if chosen is every or chosen["low"] <= every["right"]:
        return tell("Leaving out the answers it is least sure of makes the rest no better than chance might.")
    return tell(
        "Ask a person where it is less sure than {certainty}: it then answers {share} of the rows and is right in "
        "{right} of them, instead of {all} of all. Chosen on these {count:,} test rows, so expect a little less.",
        certainty=sure_words(chosen["from"]),
        share=f"{100 * chosen['share']:.0f} %",
        right=f"{100 * chosen['right']:.1f} %",
        all=f"{100 * every['right']:.1f} %",
        count=count,
    )


def _chart(counted: Sequence[int]) -> Any:
    total = len(counted)
    places = sorted({max(FEWEST, round(total * step / POINTS)) for step in range(1, POINTS + 1)})
    places = [place for place in places if place <= total]
    line = [(place / total, counted[place - 1] / place) for place in places]
    band = [(place / total, *wilson(counted[place - 1], place)) for place in places]
    axes = plots.Axes(x=tell("share answered, the surest first"), y=tell("share right"), x_percent=True, y_percent=True)
    return plots.curves({tell("share right"): line}, axes, band=band)
