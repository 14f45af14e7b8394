"""The laps table and the picture of both curves."""

import xml.etree.ElementTree as ElementTree

import pytest

from feilun.cli import demo_laps
from feilun.cli.demo_laps import Lap

LAPS = [
    Lap(
        number=0, served="digits@1", requests=500, right=356, right_first=356, decision="promote @2: 12 wins, 2 losses"
    ),
    Lap(number=1, served="digits@2", requests=500, right=442, right_first=353),
]


def test_wilson_interval_is_the_published_one():
    share, low, high = demo_laps.wilson(15, 20)  # Newcombe 1998, method 3, gives such values
    assert (share, low, high) == (0.75, pytest.approx(0.5313, abs=1e-4), pytest.approx(0.8881, abs=1e-4))
    assert demo_laps.wilson(20, 20)[2] == pytest.approx(1.0) and demo_laps.wilson(0, 20)[1] == pytest.approx(0.0)


def test_the_table_lines_up():
    lines = [demo_laps.line(cells, "digits@1") for cells in (demo_laps.HEAD, *(lap.cells() for lap in LAPS))]
    assert lines[0] == "lap  served    live accuracy     @1 same rows  decision"
    assert lines[1] == "0    digits@1  71.2 [67.1,75.0]  71.2          promote @2: 12 wins, 2 losses"
    assert lines[2] == "1    digits@2  88.4 [85.3,90.9]  70.6"


def test_the_picture_is_svg_with_both_curves():
    root = ElementTree.fromstring(demo_laps.svg(LAPS))
    space = "{http://www.w3.org/2000/svg}"
    curves = root.findall(f"{space}polyline")
    assert len(curves) == 2 and all(len(curve.get("points").split()) == 2 for curve in curves)
    assert [curve.get("stroke-dasharray") is not None for curve in curves] == [True, False]
    heights = [[float(point.split(",")[1]) for point in curve.get("points").split()] for curve in curves]
    assert heights[1][1] < heights[1][0] and heights[1][1] < heights[0][1]  # up is less in SVG
    texts = [text.text for text in root.findall(f"{space}text")]
    assert {"lap 0", "digits@2", "version 1, same rows"} <= set(texts)


def test_the_page_holds_everything_in_one_file():
    page = demo_laps.page("digits<1>", LAPS, ["500 requests a lap."])
    assert "<svg" in page and "digits&lt;1&gt;" in page and "12 wins, 2 losses" in page
    assert 'href="report.html"' in page and "http://" not in page.replace("http://www.w3.org", "")
