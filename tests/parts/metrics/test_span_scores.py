"""Spans that were found: counted whole, and label by label."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.parts.metrics import spans


def span(start: int, label: str) -> dict[str, object]:
    return {"start": start, "end": start + 3, "label": label}


TRUE = [[span(0, "name"), span(9, "place")], [span(4, "name")], []]
SAID = [[span(0, "name"), span(9, "name")], [span(5, "name")], [span(1, "thing")]]
ROWS = np.arange(3)


def test_a_span_is_right_with_both_ends_and_its_label() -> None:
    found = spans.counts(SAID, TRUE)
    assert found.tolist() == [[1, 2, 2], [0, 1, 1], [0, 1, 0]]
    assert spans.f1(found)(ROWS) == pytest.approx(2 / 7)
    assert spans.precision(found)(ROWS) == pytest.approx(1 / 4)
    assert spans.recall(found)(ROWS) == pytest.approx(1 / 3)


def test_each_label_has_its_own_scores() -> None:
    found = spans.by_label(SAID, TRUE)
    assert [(row["label"], row["n"], row["said"]) for row in found] == [("name", 2, 3), ("place", 1, 0)]
    name, place = found
    assert name["precision"].statistic(ROWS) == pytest.approx(1 / 3)
    assert name["recall"].statistic(ROWS) == pytest.approx(1 / 2)
    assert name["f1"].statistic(ROWS) == pytest.approx(2 / 5)
    assert np.isnan(place["precision"].statistic(ROWS)) and place["recall"].statistic(ROWS) == 0


def test_what_is_no_span_has_no_labels() -> None:
    assert spans.by_label([{"label": "a"}], ["a"]) == []
    assert spans.by_label([["a"]], [["a", "b"]]) == []
    assert spans.by_label([[], []], [[], []]) == []
