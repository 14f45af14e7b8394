"""Drawings that come into the page are only drawings."""

from __future__ import annotations

import pytest

from feilun.stages.evaluation import charts, markup, phrases, plots
from feilun.stages.evaluation.bilingual import verbatim

AXES = plots.Axes(x=verbatim("epoch"), y=verbatim("loss"))
START = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'


def test_a_plain_drawing_stays() -> None:
    rect = '<rect x="1" fill="var(--champion)" clip-path="url(#a)"/>'
    svg = f'{START}<g class="x">{rect}<text>准确 &lt;b&gt;</text></g></svg>'
    out = markup.safe(svg)
    assert 'fill="var(--champion)"' in out and 'clip-path="url(#a)"' in out and "准确 &lt;b&gt;" in out


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<rect onclick="alert(1)"/>',
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<image href="http://a.b/c.png"/>',
        '<image xlink:href="data:text/html;base64,AAAA"/>',
        '<use href="http://a.b/c.svg#x"/>',
        '<rect fill="url(http://a.b)"/>',
        '<rect style="background:url(http://a.b)"/>',
        "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>x</body></foreignObject>",
        "<style>@import 'http://a.b';</style>",
        '<rect fill="expression(alert(1))"/>',
    ],
)
def test_what_runs_or_fetches_goes(evil: str) -> None:
    out = markup.safe(f"{START}{evil}<circle r='1'/></svg>")
    assert "circle" in out
    for word in ("alert", "http", "script", "javascript", "foreign", "data:", "style", "onclick"):
        assert word not in out


@pytest.mark.parametrize(
    "text",
    ["", "x", "<html/>", START, f"<!DOCTYPE svg [<!ENTITY a 'b'>]>{START}&a;</svg>", f"{START}{' ' * 500_000}</svg>"],
)
def test_what_is_no_drawing_is_left_out(text: str) -> None:
    assert markup.safe(text) == ""


def test_a_drawing_without_a_width_gets_the_one_of_its_view_box() -> None:
    assert 'width="200"' in markup.safe('<svg viewBox="0 0 200 9"/>')
    assert 'width="7"' in markup.safe('<svg viewBox="0 0 200 9" width="7"/>')
    assert "width" not in markup.safe('<svg viewBox="0 0 x 9"/>')


def test_pictures_inside_a_drawing_stay() -> None:
    assert "data:image/png" in markup.safe(f'{START}<image href="data:image/png;base64,iVBORw0K"/></svg>')


def test_labels_are_escaped_in_our_own_charts() -> None:
    evil = '<script>"x'
    for svg in (
        charts.bars([1, 2], [evil, "b"]),
        plots.curves({verbatim(evil): [(1, 2), (2, 1)]}, plots.Axes(x=verbatim(evil), y=verbatim(evil))),
        phrases.boxed("AA", (10, 10), [{"label": evil, "box": [0, 0, 5, 5]}], []),
    ):
        assert "<script" not in svg and "<svg" in svg
        assert markup.safe(svg)  # well-formed


def test_dots_stand_where_their_values_are() -> None:
    ours, theirs = charts.dots([{"value": 0.9, "low": 0.8, "high": 1.0}, {"value": 0.8, "low": 0.8, "high": 0.8}])
    pad = 100 * 0.06 / 1.12
    assert 'x="50.00%"' in ours and "<circle" in ours and f'x1="{pad:.2f}%" x2="{100 - pad:.2f}%"' in ours
    assert "<circle" not in theirs and f'x="{pad:.2f}%"' in theirs


def test_curves_leave_gaps_and_need_two_points() -> None:
    assert plots.curves({verbatim("a"): [(1, float("nan")), (2, 3.0)]}, AXES) == ""
    assert plots.curves({verbatim("a"): [(1, 2.0), (2, float("inf")), (3, 1.0)]}, AXES).count(",") >= 2
    assert "polyline" in plots.curves({verbatim("flat"): [(1, 1.0), (2, 1.0)]}, AXES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "yes"),
        (51987.3, "51,987"),
        ("是", "是"),
        ({"label": "yes", "probability": 0.834}, "yes (83\u00a0%)"),
        ({"value": 1.5}, "1.500"),
        ([{"label": "dog", "box": [0, 0, 1, 1]}] * 2 + [{"label": "cat", "box": [0, 0, 1, 1]}], "dog × 2, cat"),
        (["a", "b"], "a, b"),
        ({"x": 1}, '{"x": 1}'),
        ({"answers": [{"text": "3 May", "start": 4}, {"text": "May", "start": 6}]}, "3 May, May"),
        ({"answer": None, "start": None, "score": -3.5, "confidence": 0.9}, "nothing"),
        ({"answer": "May", "start": 6, "score": 3.5, "confidence": 0.9}, "May (90\u00a0%)"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_answers_are_said_as_a_person_would(value: object, text: str) -> None:
    assert str(phrases.said(value)) == text
