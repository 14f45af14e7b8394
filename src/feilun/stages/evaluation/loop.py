"""The loop drawn with this run's facts on it: six places around a ring, wide for a screen and tall for a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from feilun.core.manifest import Manifest
from feilun.parts.metrics import wording
from feilun.stages.evaluation import reading
from feilun.stages.evaluation.bilingual import Phrase, tell, term

STAGES = ("data", "training", "evaluation", "optimization", "deployment", "improvement")
BOX, GAP, TALL = (190, 84), 44, 36  # width and height of a place; room between places
WIDE = ((0, 0), (1, 0), (2, 0), (2, 1), (1, 1), (0, 1))  # (column, row) of each stage, clockwise
NARROW = ((0, 0), (1, 0), (1, 1), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One stage of the loop. mark: done | waits | missing."""

    stage: str
    mark: str
    facts: tuple[Phrase, ...]


def places(made: Mapping[str, Manifest], scores: Any, variants: Any, counts: Mapping[str, int]) -> list[Place]:
    """The six places and what this run knows of each."""
    facts: dict[str, list[Phrase]] = {stage: [] for stage in STAGES}
    if counts:
        facts["data"].append(tell("{count:,} rows", count=sum(counts.values())))
    training = made["training"].facts if "training" in made else {}
    if training.get("parameters"):
        facts["training"].append(tell("{count:,} parameters", count=training["parameters"]))
    if scores:
        main = scores["scores"][scores["main"]]
        value = wording.shown(main["value"], main["unit"])
        facts["evaluation"].append(tell("{score} {value}", score=term(scores["main"]), value=value))
    if variants:
        chosen = variants["variants"][variants["chosen"]]
        size, name = reading.size(chosen["size_bytes"]), str(variants["chosen"])
        facts["optimization"].append(tell("{variant}, {size}", variant=name, size=size))
        facts["deployment"].append(tell("{count} ms an answer", count=f"{chosen['row_ms']:.3g}"))
    for stage, item in made.items():
        if stage in facts:
            facts[stage].append(tell("{count} s", count=f"{item.seconds:,.1f}"))
    parent = next((item.parent for item in made.values() if item.parent), "")
    if parent:
        facts["improvement"].append(tell("grown from an earlier version"))
    facts["improvement"].append(tell("waits for feedback"))
    found = []
    for stage in STAGES:
        mark = "done" if stage in made else "waits" if stage == "improvement" and "deployment" in made else "missing"
        said = tuple(facts[stage]) if mark != "missing" else (tell("not made"),)
        found.append(Place(stage=stage, mark=mark, facts=said))
    return found


def drawing(found: Sequence[Place]) -> Markup:
    """Both forms; the page shows the one that fits."""
    return Markup(_ring(found, WIDE, "wide") + _ring(found, NARROW, "narrow"))


def _ring(found: Sequence[Place], at: Sequence[tuple[int, int]], form: str) -> str:
    wide, tall = BOX if form == "wide" else (160, 88)
    gap = GAP if form == "wide" else 18
    corners = [(column * (wide + gap) + 2, row * (tall + TALL) + 2) for column, row in at]
    width, height = max(x for x, _ in corners) + wide + 2, max(y for _, y in corners) + tall + 2
    head = (
        f'<marker id="tip-{form}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    )
    parts = [f'<defs>{head}<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>']
    for at_place, (x, y) in enumerate(corners):
        parts.append(_arrow((x, y), corners[(at_place + 1) % len(corners)], (wide, tall), form))
    for place, (x, y) in zip(found, corners, strict=True):
        parts += _box(place, x, y, (wide, tall))
    label = escape(" → ".join(stage for stage in (*STAGES, STAGES[0])))
    size = f'viewBox="0 0 {width} {height}" role="img" aria-label="{label}"'
    return f'<svg class="loop {form}" {size}>{"".join(parts)}</svg>'


def _box(place: Place, x: int, y: int, size: tuple[int, int]) -> list[str]:
    wide, tall = size
    mark = {"done": "✓", "waits": "…", "missing": "–"}[place.mark]
    parts = [f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}" rx="6" class="place {place.mark}"/>']
    parts.append(term(place.stage).drawn(f'x="{x + 12}" y="{y + 24}" class="name"'))
    parts.append(f'<text x="{x + wide - 12}" y="{y + 24}" text-anchor="end" class="{place.mark}">{mark}</text>')
    for line, fact in enumerate(place.facts[:3]):
        parts.append(fact.drawn(f'x="{x + 12}" y="{y + 45 + 16 * line}" class="fact"'))
    return parts


def _arrow(one: tuple[int, int], other: tuple[int, int], size: tuple[int, int], form: str) -> str:
    """From the edge of a box to the facing edge of the next."""
    wide, tall = size
    (x, y), (to_x, to_y) = one, other
    if y == to_y:
        right = to_x > x
        start, end = (x + wide + 5.0 if right else x - 5.0), (to_x - 5.0 if right else to_x + wide + 5.0)
        ends = f'x1="{start:g}" x2="{end:g}" y1="{y + tall / 2:g}" y2="{y + tall / 2:g}"'
    else:
        down = to_y > y
        start, end = (y + tall + 5.0 if down else y - 5.0), (to_y - 5.0 if down else to_y + tall + 5.0)
        ends = f'x1="{x + wide / 2:g}" x2="{x + wide / 2:g}" y1="{start:g}" y2="{end:g}"'
    return f'<line {ends} class="arrow" marker-end="url(#tip-{form})"/>'
