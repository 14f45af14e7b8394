"""How the answers are spread: rare classes, and classes with too few rows to learn from or to be judged on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feilun.stages.data.cleaning import Line, line

LEAST_TRAIN = 10  # rows of a class from which a network learns more than the rows themselves
LEAST_TEST = 10  # rows of a class on which its recall means something: with 10 the 95 % interval is 60 points wide
UNEVEN = 10.0  # times as many rows in the largest class as in the smallest
SHOWN = 5


def find(codes: np.ndarray, names: Sequence[str], splits: np.ndarray, column: str) -> list[Line]:
    """codes: int64 (N,), -1 for none; splits: int8 (N,), places in SPLITS (0 trains, 3 is the test)."""
    count = len(names)
    train = np.bincount(codes[(splits == 0) & (codes >= 0)], minlength=count)
    test = np.bincount(codes[(splits == 3) & (codes >= 0)], minlength=count)
    lines = []
    there = train[train > 0]
    if len(there) > 1 and there.max() >= UNEVEN * there.min():
        rare = int(np.where(train > 0, train, train.max()).argmin())
        times = f"{there.max() / there.min():.0f}"
        why = f"{times} training rows of {names[int(train.argmax())]!r} for one of {names[rare]!r}"
        lines.append(line("uneven classes", int(there.min()), "kept", why, column=column, key="train.balance: weights"))
    for counts, least, what, why in (
        (train, LEAST_TRAIN, "few training rows", f"with fewer than {LEAST_TRAIN} a class is hardly learnt"),
        (test, LEAST_TEST, "few test rows", f"with fewer than {LEAST_TEST} its recall says little"),
    ):
        few = [place for place in np.argsort(counts, kind="stable").tolist() if counts[place] < least]
        if few and counts.sum():
            shown = ", ".join(f"{names[place]!r} {counts[place]}" for place in few[:SHOWN])
            more = f" and {len(few) - SHOWN} more classes" if len(few) > SHOWN else ""
            rows = int(counts[few].sum())
            lines.append(line(what, rows, "kept", f"{shown}{more}: {why}", column=column, key="add rows"))
    return lines
