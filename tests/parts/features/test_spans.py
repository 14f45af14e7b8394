"""Spans: letters to tags and back, whatever the tokens are and whatever tidying did to the text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.parts.features.spans import Spans
from feilun.parts.features.text import Text
from feilun.parts.features.token_places import TokenPlaces

ROWS = {
    "text": [
        "Anna lives in New York City.",
        "ＮＡＴＯ met İn Ankara today",
        "我在北京大学读书",
        "",
        "e\u0301mile zola",
    ],
    "spans": [
        [{"start": 0, "end": 4, "label": "person"}, {"start": 14, "end": 27, "label": "place"}],
        json.dumps([{"start": 12, "end": 18, "label": "place"}]),
        [{"start": 2, "end": 6, "label": "group"}],
        [],
        [{"start": 7, "end": 11, "label": "person"}],
    ],
}


@pytest.mark.parametrize("tokens", ["words", "characters", "bpe"])
def test_spans_come_back_as_they_were(tokens: str) -> None:
    text = {"tokens": tokens, "vocabulary": 60}
    spans = Spans(columns=("text", "spans"), text=text).fit(ROWS)
    places = TokenPlaces(columns=("text",), text=text).fit(ROWS)
    again = Spans(**json.loads(json.dumps(spans.to_json())))
    tags, where = again.encode(ROWS), TokenPlaces(**json.loads(json.dumps(places.to_json()))).encode(ROWS)
    numbers = Text(columns=("text",), **text).fit(ROWS).encode(ROWS)
    for row, value in enumerate(ROWS["spans"]):
        assert len(tags[row]) == len(where[row]) == len(numbers[row])
        wanted: Any = json.loads(value) if isinstance(value, str) else value
        found = [{key: span[key] for key in ("start", "end", "label")} for span in spans.read(tags[row], where[row])]
        assert found == wanted, ROWS["text"][row]


def test_a_text_that_is_cut_off_loses_its_late_spans() -> None:
    spans = Spans(columns=("text", "spans"), text={"tokens": "words", "max_length": 2}).fit(ROWS)
    assert spans.encode(ROWS)[0].tolist() == [1 + 4 * spans.labels.index("person") + 3, 0]


def test_of_two_that_overlap_the_longer_is_learnt() -> None:
    both = [{"start": 0, "end": 4, "label": "person"}, {"start": 0, "end": 10, "label": "group"}]
    rows = {"text": ["Anna lives"], "spans": [both]}
    spans = Spans(columns=("text", "spans"), text={"tokens": "words"}).fit(rows)
    tags = spans.encode(rows)[0]
    assert [one["label"] for one in spans.read(tags, np.array([[0, 4], [5, 10]]))] == ["group"]


def test_what_may_follow_what() -> None:
    spans = Spans(columns=("text", "spans"), labels=("a", "b"))
    may, start, end = spans.allowed(), spans.allowed()[-1], spans.may_end()
    assert spans.tags == 9
    assert np.flatnonzero(may[0]).tolist() == [0, 1, 4, 5, 8] == np.flatnonzero(start).tolist()
    assert np.flatnonzero(may[1]).tolist() == [2, 3] == np.flatnonzero(may[2]).tolist()
    assert np.flatnonzero(may[4]).tolist() == [0, 1, 4, 5, 8]
    assert np.flatnonzero(end).tolist() == [0, 3, 4, 7, 8]


@pytest.mark.parametrize(
    "wrong",
    [
        [{"start": 3, "end": 3, "label": "x"}],
        [{"start": -1, "end": 3, "label": "x"}],
        [{"start": 0, "end": 300, "label": "x"}],
        [{"start": 0, "end": 3}],
        [{"start": 0.5, "end": 3, "label": "x"}],
        [{"start": True, "end": 3, "label": "x"}],
        "no json",
        None,
        {"start": 0},
    ],
)
def test_wrong_spans_are_told(wrong: Any) -> None:
    spans = Spans(columns=("text", "spans"), text={"tokens": "words"}).fit(ROWS)
    with pytest.raises(DataError, match="span"):
        spans.encode({"text": ["Anna lives here"], "spans": [wrong]})


def test_an_unknown_label_and_no_span_at_all_are_told() -> None:
    spans = Spans(columns=("text", "spans"), text={"tokens": "words"}).fit(ROWS)
    with pytest.raises(DataError, match="animal"):
        spans.encode({"text": ["Anna"], "spans": [[{"start": 0, "end": 4, "label": "animal"}]]})
    with pytest.raises(DataError, match="no span"):
        Spans(columns=("text", "spans")).fit({"text": ["Anna"], "spans": [[]]})
    with pytest.raises(RecipeError, match="stand nowhere"):
        TokenPlaces(columns=("text",), text={"tokens": "grams"}).fit(ROWS).encode(ROWS)


def test_they_are_found_by_name() -> None:
    assert {"spans", "token_places"} <= set(discover.names("features"))
