"""Pictures of scores as SVG: confusion, curves, calibration, residuals. Colours come from the page (currentColor)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from feilun.core.task import Picture

SIDE, LEFT, BOTTOM = 260, 64, 44  # the square that is drawn in, and the room for its axes
MOST_CLASSES, MOST_POINTS = 20, 1500
DASHED = 'stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="5 4"'


def confusion(counts: np.ndarray, labels: Sequence[str]) -> Picture:
    """Rows: the truth; columns: what the model said. The most frequent classes, at most 20."""
    kept = np.sort(np.argsort(-counts.sum(1), kind="stable")[:MOST_CLASSES])
    counts, names = counts[np.ix_(kept, kept)], [str(labels[place])[:14] for place in kept]
    size = len(names)
    cell = max(26, min(56, 380 // size))
    left, top = 36 + 8 * max(map(_wide, names)), 34
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    parts = [f'<text x="{left + size * cell / 2}" y="12" text-anchor="middle">answer</text>']
    middle = top + size * cell / 2
    parts.append(f'<text x="12" y="{middle:g}" text-anchor="middle" transform="rotate(-90 12 {middle:g})">truth</text>')
    for row, name in enumerate(names):
        middle = top + (row + 0.5) * cell + 4
        parts.append(f'<text x="{left - 8}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>')
        column_name = name if cell >= 40 else name[:3]
        parts.append(
            f'<text x="{left + (row + 0.5) * cell:.0f}" y="{top - 6}" text-anchor="middle">{escape(column_name)}</text>'
        )
        for column in range(size):
            x, y = left + column * cell, top + row * cell
            share = shares[row, column]
            parts.append(
                f'<rect x="{x}" y="{y}" width="{cell - 1}" height="{cell - 1}" fill="currentColor" '
                f'fill-opacity="{0.04 + 0.5 * share:.3f}"><title>{escape(names[row])} answered as '
                f"{escape(names[column])}: {counts[row, column]:,} rows, {100 * share:.1f} %</title></rect>"
            )
            if counts[row, column]:
                parts.append(
                    f'<text x="{x + cell / 2:.0f}" y="{y + cell / 2 + 4:.0f}" text-anchor="middle" '
                    f'font-size="{min(13, cell // 3 + 2)}">{counts[row, column]}</text>'
                )
    svg = _svg(left + size * cell + 8, top + size * cell + 8, "confusion matrix", parts)
    more = f" The {MOST_CLASSES} most frequent of {len(labels)} classes." if len(labels) > size else ""
    return Picture(
        title="Confusion",
        where="mistakes",
        svg=svg,
        caption=f"Rows are the truth, columns the answer; darker is a larger share of the row.{more}",
    )


def roc(false_rate: np.ndarray, true_rate: np.ndarray, precision: np.ndarray, *, positive: str) -> list[Picture]:
    """The ROC curve and the precision-recall curve of the positive class, from `metrics.classification.roc`."""
    kept = np.unique(np.linspace(0, len(false_rate) - 1, 200).astype(int))
    curve = [(0.0, 0.0), *zip(false_rate[kept].tolist(), true_rate[kept].tolist(), strict=True), (1.0, 1.0)]
    other = list(zip(true_rate[kept].tolist(), precision[kept].tolist(), strict=True))
    names = (("false positive rate", "true positive rate"), ("recall", "precision"))
    return [
        Picture(
            title=f"ROC curve of {positive}",
            where="mistakes",
            svg=_unit_square([_line(curve), _diagonal()], *names[0]),
            caption="Dashed: guessing.",
        ),
        Picture(
            title=f"Precision and recall of {positive}",
            where="mistakes",
            svg=_unit_square([_line(other)], *names[1]),
            caption="One point per threshold.",
        ),
    ]


def reliability(steps: Sequence[tuple[float, float, int]]) -> Picture:
    """How often the model is right when it is so sure; `steps` from `metrics.classification.reliability`."""
    dots = [
        f'<circle cx="{_x(sure):.1f}" cy="{_y(right):.1f}" r="{3 + min(6.0, rows**0.5 / 8):.1f}" fill="currentColor">'
        f"<title>{rows:,} rows: sure {sure:.2f}, right {right:.2f}</title></circle>"
        for sure, right, rows in steps
    ]
    line = _line([(sure, right) for sure, right, _ in steps])
    return Picture(
        title="Calibration",
        where="certainty",
        svg=_unit_square([_diagonal(), line, *dots], "probability given", "share right"),
        caption="On the dashed line a probability means what it says. Larger dots hold more rows.",
    )


def residuals(said: np.ndarray, truth: np.ndarray, name: str) -> Picture:
    """Prediction against truth, (N,) each; the dashed line is a perfect answer."""
    chosen = np.linspace(0, len(truth) - 1, min(MOST_POINTS, len(truth))).astype(int)
    both = np.concatenate([said[chosen], truth[chosen]])
    low, high = _round_ends(float(both.min(initial=0.0)), float(both.max(initial=1.0)))
    width = high - low
    dots = [
        f'<circle cx="{_x((true - low) / width):.1f}" cy="{_y((guess - low) / width):.1f}" r="2" '
        'fill="currentColor" fill-opacity="0.35"/>'
        for guess, true in zip(said[chosen].tolist(), truth[chosen].tolist(), strict=True)
    ]
    return Picture(
        title=f"Prediction and truth: {name}",
        where="mistakes",
        svg=_unit_square([_diagonal(), *dots], "truth", "prediction", (low, high)),
        caption="Each dot is a test row; on the dashed line the prediction is exact.",
    )


def _unit_square(parts: Sequence[str], x_title: str, y_title: str, ends: tuple[float, float] = (0.0, 1.0)) -> str:
    middle_x, middle_y = LEFT + SIDE / 2, 8 + SIDE / 2
    frame = [
        f'<rect x="{LEFT}" y="8" width="{SIDE}" height="{SIDE}" class="axis" fill="none" stroke="currentColor" '
        'stroke-opacity="0.3"/>',
        f'<text x="{middle_x}" y="{SIDE + BOTTOM}" text-anchor="middle">{escape(x_title)}</text>',
        f'<text x="14" y="{middle_y}" text-anchor="middle" transform="rotate(-90 14 {middle_y})">'
        f"{escape(y_title)}</text>",
    ]
    for share in (0.0, 0.5, 1.0):
        shown = _tick(ends[0] + share * (ends[1] - ends[0]))
        frame.append(f'<text x="{_x(share):.0f}" y="{SIDE + 26}" text-anchor="middle">{shown}</text>')
        frame.append(f'<text x="{LEFT - 6}" y="{_y(share) + 4:.0f}" text-anchor="end">{shown}</text>')
    return _svg(LEFT + SIDE + 24, SIDE + BOTTOM + 8, f"{y_title} by {x_title}", [*frame, *parts])


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """Round numbers around these two, so that the axis reads well in its middle too."""
    width = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(width))
    step = next(power * factor for factor in (0.5, 1, 2, 5) if width / (power * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return first * step, (last + (last - first) % 2) * step  # an even number of steps: the middle is round


def _wide(name: str) -> int:
    """Letters of a name, a Chinese one counted twice."""
    return sum(1 + (ord(letter) > 0x2E7F) for letter in name)


def _tick(value: float) -> str:
    """At most six characters, so that the axis has room for it: 12,345,678 is 12.3M."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.3g}{sign}"
    return f"{value:.4g}" if abs(value) >= 0.001 or not value else f"{value:.0e}"


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}" '
        f'fill="currentColor" font-size="13">{"".join(parts)}</svg>'
    )


def _line(points: Sequence[tuple[float, float]]) -> str:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return f'<polyline points="{path}" class="line" fill="none" stroke="currentColor" stroke-width="2"/>'


def _diagonal() -> str:
    return f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" {DASHED}/>'


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return 8 + SIDE * (1 - share)
