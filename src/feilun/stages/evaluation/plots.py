"""Lines over two axes as SVG: loss by epoch, money by threshold, right by certainty, score by rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from feilun.stages.evaluation.bilingual import Phrase
from feilun.stages.evaluation.charts import known

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 250, 66, 26, 30, 46
MOST = 400  # points of a line: more cannot be told apart
Line = Sequence[tuple[float, float]]
Band = Sequence[tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Axes:
    """What stands at the axes. percent: that axis holds shares.  least: ticks of x are no closer (1: whole numbers)."""

    x: Phrase
    y: Phrase
    x_percent: bool = False
    y_percent: bool = False
    least: float = 0.0
    log: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log: bool

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point stands in the drawing."""
        one, low, high = (
            (math.log(v) for v in (x, self.x_low, self.x_high)) if self.log else (x, self.x_low, self.x_high)
        )
        across = LEFT + (WIDTH - LEFT - RIGHT) * (one - low) / (high - low)
        return across, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - self.y_low) / (self.y_high - self.y_low)


def curves(
    lines: Mapping[Phrase, Line], axes: Axes, *, band: Band = (), marks: Sequence[tuple[float, Phrase]] = ()
) -> Markup:
    """Lines named above the drawing, the first solid, the second dashed; "" for fewer than two points.

    band: (x, low, high) behind the first line.  marks: (x, words) as upright lines.  What is not finite is a gap.
    """
    drawn = {name: [(x, y) for x, y in line if known(x) and known(y)] for name, line in lines.items()}
    drawn = {name: line[:: math.ceil(len(line) / MOST)] for name, line in drawn.items() if line}
    points = [point for line in drawn.values() for point in line]
    edges = [row for row in band if all(known(value) for value in row)]
    if len(points) < 2:
        return Markup("")
    frame = _frame([*points, *((x, y) for x, *ends in edges for y in ends)], log=axes.log)
    parts = [*_grid(frame, axes), *_titles(axes), *_band(frame, edges)]
    for x, words in marks:
        across = frame.place(x, frame.y_low)[0]
        side = "end" if across > WIDTH / 2 else "start"
        parts.append(f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="mark"/>')
        parts.append(
            words.drawn(
                f'x="{across + (4 if side == "start" else -4):.1f}" y="{TOP + 12}" text-anchor="{side}" class="marked"'
            )
        )
    for order, line in enumerate(drawn.values()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (frame.place(*point) for point in line))
        parts.append(f'<polyline points="{path}" class="line line{order}"/>')
        if len(line) <= 12:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="point{order}"/>'
                for x, y in (frame.place(*point) for point in line)
            ]
    parts += _legend(list(drawn))
    label = escape(", ".join(str(name) for name in drawn))
    return Markup(
        f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """At most six round numbers between low and high: steps of 1, 2 or 5 times a power of ten, at least `least`."""
    rough = max(least, (high - low) / 4)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(points: Sequence[tuple[float, float]], *, log: bool) -> _Frame:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
    if y_high <= y_low:
        y_low, y_high = y_low - (abs(y_low) * 0.1 or 1.0), y_high + (abs(y_high) * 0.1 or 1.0)
    return _Frame(
        x_low=x_low,
        x_high=x_high if x_high > x_low else x_low + 1,
        y_low=y_low,
        y_high=y_high,
        log=log and x_low > 0,
    )


def _grid(frame: _Frame, axes: Axes) -> list[str]:
    parts = []
    for tick in ticks(frame.y_low, frame.y_high):
        y = frame.place(frame.x_low, tick)[1]
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick, axes.y_percent)}</text>')
    last = -math.inf
    for tick in _x_ticks(frame, axes):
        x = frame.place(tick, frame.y_low)[0]
        if x - last < 40:  # the next number would touch this one
            continue
        last = x
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{_number(tick, axes.x_percent)}</text>'
        )
    return parts


def _x_ticks(frame: _Frame, axes: Axes) -> list[float]:
    if not frame.log:
        return ticks(frame.x_low, frame.x_high, axes.least)
    first, last = math.floor(math.log10(frame.x_low)), math.ceil(math.log10(frame.x_high))
    steps = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    return [step for step in steps if frame.x_low * 0.999 <= step <= frame.x_high * 1.001] or [frame.x_low]


def _titles(axes: Axes) -> list[str]:
    across, up = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    return [
        axes.x.drawn(f'x="{across:g}" y="{HEIGHT - 6}" text-anchor="middle"'),
        axes.y.drawn(f'x="12" y="{up:g}" text-anchor="middle" transform="rotate(-90 12 {up:g})"'),
    ]


def _band(frame: _Frame, edges: Band) -> list[str]:
    if len(edges) < 2:
        return []
    there = [frame.place(x, low) for x, low, _ in edges]
    back = [frame.place(x, high) for x, _, high in reversed(edges)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*there, *back])
    return [f'<polygon points="{path}" class="between"/>']


def _legend(names: Sequence[Phrase]) -> list[str]:
    """Names above the drawing, each beside a piece of its line; none where there is only one line."""
    if len(names) < 2:
        return []
    parts, wide = [], (WIDTH - LEFT - RIGHT) / len(names)
    for order, name in enumerate(names):
        x = LEFT + order * wide
        parts.append(f'<line x1="{x:.0f}" x2="{x + 22:.0f}" y1="14" y2="14" class="line line{order}"/>')
        parts.append(name.drawn(f'x="{x + 28:.0f}" y="19" class="label{order}"'))
    return parts


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.4g} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
