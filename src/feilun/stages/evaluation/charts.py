"""Small drawings of the report as SVG: interval dots on one axis, histograms. Colours are the page's variables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from markupsafe import Markup, escape

SHAPES = {  # told apart without colour too
    "ours": '<circle r="7"/>',
    "served": '<circle r="6"/>',
    "theirs": '<rect x="-5" y="-5" width="10" height="10"/>',
}
PAD = 0.06  # of the axis, free at both ends, so that no mark is cut


def dots(scores: Sequence[Mapping[str, Any]], kinds: Sequence[str] = (), zero: bool = False) -> list[Markup]:
    """One drawing per score {value, low, high}, all on one axis: a band for the interval, a mark for the value.

    kinds: names in SHAPES; the first is ours and the others theirs where left out.  zero: the axis holds 0, marked.
    Positions are in percent, so a drawing is as wide as its place and its marks stay round.
    """
    low, high = _axis([float(s[key]) for s in scores for key in ("value", "low", "high") if known(s.get(key))], zero)
    drawn = []
    for place, score in enumerate(scores):
        kind = kinds[place] if place < len(kinds) else "theirs" if place else "ours"
        at = {
            key: 100 * (float(score[key]) - low) / (high - low)
            for key in ("value", "low", "high")
            if known(score.get(key))
        }
        parts = ['<line x1="0" x2="100%" y1="14" y2="14" class="axis"/>']
        if zero:
            none = -100 * low / (high - low)
            parts.append(f'<line x1="{none:.2f}%" x2="{none:.2f}%" y1="2" y2="26" class="zero"/>')
        if "low" in at and "high" in at:
            parts.append(f'<line x1="{at["low"]:.2f}%" x2="{at["high"]:.2f}%" y1="14" y2="14" class="band"/>')
        if "value" in at:
            parts.append(f'<svg x="{at["value"]:.2f}%" y="14" overflow="visible">{SHAPES[kind]}</svg>')
        drawn.append(
            Markup(f'<svg class="dots {kind}" width="100%" height="28" aria-hidden="true">{"".join(parts)}</svg>')
        )
    return drawn


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
    return Markup(f'<svg class="bars" viewBox="0 0 120 28" role="img" aria-hidden="true">{"".join(parts)}</svg>')


def known(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _axis(ends: Sequence[float], zero: bool) -> tuple[float, float]:
    """Both ends of an axis on which all of this has room."""
    there = [*ends, 0.0] if zero else list(ends)
    low, high = (min(there), max(there)) if there else (0.0, 1.0)
    pad = (high - low) * PAD or abs(high) * PAD or 1.0
    return low - pad, high + pad
