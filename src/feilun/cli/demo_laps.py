"""What the demonstration found: the laps table, its intervals, and the picture of both curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

HEAD = ("lap", "served", "live accuracy", "@1 same rows", "decision")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 320, 56, 24, 16, 48
CHAMPION, BASELINE, TEXT, PAGE = "#0B63C5", "#636C76", "#1B1F24", "#FFFFFF"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lap:
    """One lap. right: correct answers of the version that served; right_first: of version 1 on the same rows."""

    number: int
    served: str
    requests: int
    right: int
    right_first: int
    decision: str = ""

    @property
    def interval(self) -> tuple[float, float, float]:
        """Live accuracy in per cent, with its 95 % interval."""
        value, low, high = wilson(self.right, self.requests)
        return 100 * value, 100 * low, 100 * high

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        value, low, high = self.interval
        first = 100 * self.right_first / self.requests
        return (str(self.number), self.served, f"{value:.1f} [{low:.1f},{high:.1f}]", f"{first:.1f}", self.decision)


def wilson(right: int, count: int) -> tuple[float, float, float]:
    """(share, low, high): the 95 % score interval of a share (Wilson 1927)."""
    z, share = 1.959964, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return share, middle - half, middle + half


def line(cells: Sequence[str], served: str) -> str:
    """One line of the table; `served` tells how wide a version's name is."""
    widths = (3, len(served), 16, 12, 0)
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def svg(laps: Sequence[Lap]) -> str:
    """Both curves over the laps: solid with its band what served, dotted version 1 on the same rows."""
    lowest = min(min(lap.interval[1], 100 * lap.right_first / lap.requests) for lap in laps)
    floor = max(0, 10 * math.floor(lowest / 10))
    xs = [LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(laps) for place in range(len(laps))]
    live = [_y(lap.interval[0], floor) for lap in laps]
    first = [_y(100 * lap.right_first / lap.requests, floor) for lap in laps]
    upper = [(x, _y(lap.interval[2], floor)) for x, lap in zip(xs, laps, strict=True)]
    lower = [(x, _y(lap.interval[1], floor)) for x, lap in zip(xs, laps, strict=True)]
    band = _points([*upper, *reversed(lower)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-size="13" '
        f'font-family="system-ui, PingFang SC, Microsoft YaHei, sans-serif" fill="{TEXT}">',
        "<title>Live accuracy over the laps, beside version 1 on the same rows</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAGE}"/>',
        *_grid(floor),
        f'<polygon points="{band}" fill="{CHAMPION}" opacity="0.15"/>',
        f'<polyline points="{_points(zip(xs, first, strict=True))}" fill="none" stroke="{BASELINE}" '
        'stroke-width="2" stroke-dasharray="3 5"/>',
        f'<polyline points="{_points(zip(xs, live, strict=True))}" fill="none" stroke="{CHAMPION}" stroke-width="3"/>',
    ]
    for x, y, lap in zip(xs, live, laps, strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{CHAMPION}"/>')
        parts.append(_label(x, HEIGHT - BOTTOM + 18, f"lap {lap.number}"))
        parts.append(_label(x, HEIGHT - BOTTOM + 36, lap.served))
    parts.append(_label(WIDTH - RIGHT, live[-1] - 10, "the version that served", "end", CHAMPION))
    parts.append(_label(WIDTH - RIGHT, first[-1] + 20, "version 1, same rows", "end", BASELINE))
    return "\n".join([*parts, "</svg>"]) + "\n"


def page(name: str, laps: Sequence[Lap], closing: Sequence[str]) -> str:
    """A small page: the picture, the table, the way to the report."""
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in lap.cells()) + "</tr>" for lap in laps)
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in closing)
    style = (
        "body{font:16px/1.5 system-ui,'PingFang SC','Microsoft YaHei',sans-serif;color:#1B1F24;max-width:720px;"
        "margin:40px auto;padding:0 16px}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
        "td,th{text-align:left;padding:4px 16px 4px 0}svg{width:100%;height:auto}td:nth-child(3){white-space:nowrap}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}: laps</title>'
        f"<style>{style}</style><h1>{escape(name)}, lap by lap</h1>{svg(laps)}"
        f"<table><tr>{head}</tr>{rows}</table>{said}"
        '<p><a href="report.html">Report of the newest version</a></p></html>\n'
    )


def _grid(floor: int) -> list[str]:
    step = 10 if 100 - floor > 30 else 5
    parts = []
    for value in range(floor, 101, step):
        y = _y(value, floor)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#D8DEE4"/>')
        parts.append(_label(LEFT - 8, y + 4, f"{value} %", "end"))
    return parts


def _y(value: float, floor: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (100 - value) / (100 - floor)


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _label(x: float, y: float, text: str, anchor: str = "middle", colour: str = TEXT) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
