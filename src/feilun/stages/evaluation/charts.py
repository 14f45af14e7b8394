"""The report's drawings as SVG: interval dots, curves, small histograms. Colours are the page's variables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

_SQUARE = '<rect x="-5" y="-5" width="10" height="10"/>'
Line = Sequence[tuple[float, float]]


def dots(scores: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """One drawing per score {value, low, high}, all on one axis: a band for the interval, a mark for the value.

    The first is ours (a disc), the others baselines (hollow squares): told apart without colour too. Positions are in
    percent, so a drawing is as wide as its place and its marks stay round.
    """
    ends = [float(s[key]) for s in scores for key in ("value", "low", "high") if _known(s[key])]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = (high - low) * 0.06 or abs(high) * 0.06 or 1.0
    low, high = low - pad, high + pad
    drawn = []
    for place, score in enumerate(scores):
        at = {key: 100 * (float(score[key]) - low) / (high - low) for key in ("value", "low", "high")}
        kind = "ours" if place == 0 else "theirs"
        mark = (
            f'<circle cx="{at["value"]:.2f}%" cy="14" r="7"/>'
            if place == 0
            else f'<svg x="{at["value"]:.2f}%" y="14" overflow="visible">{_SQUARE}</svg>'
        )
        band = f'<line x1="{at["low"]:.2f}%" x2="{at["high"]:.2f}%" y1="14" y2="14" class="band"/>'
        axis = '<line x1="0" x2="100%" y1="14" y2="14" class="axis"/>'
        drawn.append(
            Markup(f'<svg class="dots {kind}" width="100%" height="28" aria-hidden="true">{axis}{band}{mark}</svg>')
        )
    return drawn


def curves(lines: Mapping[str, Line], x_title: str) -> Markup:
    """Lines over one pair of axes, each labelled at its end; the second dashed. Points that are not finite are gaps."""
    width, height, left, right, top, bottom = 560, 240, 56, 96, 12, 34
    points = {name: [(x, y) for x, y in line if _known(x) and _known(y)] for name, line in lines.items()}
    every = [point for line in points.values() for point in line]
    if len(every) < 2:
        return Markup("")
    x_low, x_high = min(x for x, _ in every), max(x for x, _ in every)
    y_low, y_high = min(y for _, y in every), max(y for _, y in every)
    x_high, y_high = (x_high if x_high > x_low else x_low + 1), (y_high if y_high > y_low else y_low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - right) * (x - x_low) / (x_high - x_low)
        return across, height - bottom - (height - top - bottom) * (y - y_low) / (y_high - y_low)

    parts = []
    for tick in _ticks(y_low, y_high):
        y = place(x_low, tick)[1]
        parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(x_low, x_high, least=1.0):
        x = place(tick, y_low)[0]
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 18}" text-anchor="middle">{tick:g}</text>')
    parts.append(
        f'<text x="{(left + width - right) / 2}" y="{height - 2}" text-anchor="middle">{escape(x_title)}</text>'
    )
    last_y = -math.inf
    ends = sorted(((place(*line[-1])[1], name) for name, line in points.items() if line))
    labels = {}
    for y, name in ends:  # labels at line ends, pushed apart so that none covers another
        last_y = labels[name] = max(y, last_y + 16)
    for order, (name, line) in enumerate((name, line) for name, line in points.items() if line):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" class="line line{order}"/>')
        parts.append(
            f'<text x="{width - right + 8}" y="{labels[name] + 4:.1f}" class="label{order}">{escape(name)}</text>'
        )
    name = escape(f"{', '.join(lines)} by {x_title}")
    return Markup(
        f'<svg class="curves" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'
    )


def bars(counts: Sequence[float], labels: Sequence[str] = ()) -> Markup:
    """A histogram small enough for a table cell; labels come up as tooltips."""
    if not counts or max(counts) <= 0:
        return Markup("")
    step = 120 / len(counts)
    parts = []
    for place, count in enumerate(counts):
        tall = 26 * count / max(counts)
        tip = f"<title>{escape(labels[place])}: {count:,.0f}</title>" if place < len(labels) else ""
        x, wide = place * step, max(step - 1, 1)
        parts.append(f'<rect x="{x:.1f}" y="{28 - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">{tip}</rect>')
    return Markup(f'<svg class="bars" viewBox="0 0 120 28" role="img" aria-label="distribution">{"".join(parts)}</svg>')


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """At most six round numbers between low and high: steps of 1, 2 or 5 times a power of ten, at least `least`."""
    rough = max(least, (high - low) / 4)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
