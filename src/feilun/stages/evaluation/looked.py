"""Which words a text was written from: for a few test rows, what each written token looked at, as small heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from feilun.stages.evaluation.asking import Model, part
from feilun.stages.evaluation.bilingual import Phrase, tell, verbatim
from feilun.stages.evaluation.phrases import cut, visible

if TYPE_CHECKING:
    from feilun.core.task import Json, Rows

MOST = {"right": 2, "wrong": 1}  # rows drawn of each group
READ, WRITTEN = 32, 40  # tokens of a drawing that can still be read
SEEN = 0.02  # of a token's attention: what is less is not drawn
LABEL, TRUTH = 14, 200  # letters of a token, and of the right text
WIDE, HIGH, LETTER, SLANT = 22, 18, 7.5, 0.7  # of a field and of a letter in pixels; sine of the slanting names
TITLES = {"right": "Answered well", "wrong": "The worst mistake"}
BLANK = {" ": "␣", "\n": "↵", "\t": "⇥"}


def found(model: Model, rows: Rows, truths: Sequence[Json], groups: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """attention.json: `{group, read, written, shares, more, truth}` of a few rows; [] where nothing can be shown.

    groups: {"right": row numbers, "wrong": row numbers}.  more: whether the row has tokens that are not shown.
    """
    if model.task.attention is None:
        return []
    chosen = [(group, int(place)) for group, most in MOST.items() for place in groups[group][:most]]
    some = part(rows, np.array([place for _, place in chosen], np.int64))
    looked = model.task.attention(model.networks, model.run, some, model.features, WRITTEN + 1) if chosen else []
    return [
        {
            "group": group,
            "read": one["read"][:READ],
            "written": one["written"][:WRITTEN],
            "shares": [[round(share, 3) for share in row[:READ]] for row in one["shares"][:WRITTEN]],
            "more": len(one["read"]) > READ or len(one["written"]) > WRITTEN,
            "truth": truths[place],
        }
        for (group, place), one in zip(chosen, looked, strict=False)
        if one["written"]
    ]


def figures(found: Any) -> list[dict[str, Any]]:
    """[{title, svg, notes}] of attention.json."""
    return [_figure(one) for one in found or ()]


def _figure(one: Mapping[str, Any]) -> dict[str, Any]:
    notes: list[Phrase] = []
    if one["more"]:
        told = tell(
            "Longer texts are cut: the first {read} tokens that were read and {written} that were written are shown.",
            read=READ,
            written=WRITTEN,
        )
        notes.append(told)
    if one["group"] == "wrong":
        notes.append(tell("Right would be: {truth}", truth=verbatim(cut(str(one["truth"]), TRUTH))))
    title = tell(TITLES[one["group"]])
    return {"title": title, "svg": heat(one["read"], one["written"], one["shares"]), "notes": notes}


def heat(read: Sequence[str], written: Sequence[str], shares: Sequence[Sequence[float]]) -> Markup:
    """Fields as dark as their share, what was read above, what was written beside."""
    above, beside = ([_named(token) for token in tokens] for tokens in (read, written))
    left = 12 + LETTER * max(map(_width, beside), default=0)
    top = 16 + SLANT * LETTER * max(map(_width, above), default=0)
    ends = [left + WIDE * (column + 1) + SLANT * LETTER * _width(name) for column, name in enumerate(above)]
    wide, high = max(ends, default=left), top + HIGH * len(beside) + 4
    parts = []
    for column, name in enumerate(above):
        x = left + WIDE * (column + 0.5)
        place = f'x="{x:.0f}" y="{top - 6:.0f}" transform="rotate(-45 {x:.0f} {top - 6:.0f})"'
        parts.append(f"<text {place}>{escape(name)}</text>")
    for line, name in enumerate(beside):
        y = top + HIGH * line
        parts.append(f'<text x="{left - 6:.0f}" y="{y + 13:.0f}" text-anchor="end">{escape(name)}</text>')
        for column, share in enumerate(shares[line]):
            if share >= SEEN:
                tip = f"<title>{escape(name)} ← {escape(above[column])}: {100 * share:.0f} %</title>"
                place = f'x="{left + WIDE * column:.0f}" y="{y:.0f}" width="{WIDE - 1}" height="{HIGH - 1}"'
                parts.append(f'<rect {place} fill-opacity="{share:.2f}">{tip}</rect>')
    frame = f'<path d="M{left:.0f} {top:.0f}h{WIDE * len(above)}v{HIGH * len(beside)}h-{WIDE * len(above)}z"/>'
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    return Markup(f'<svg class="looked" {size} role="img">{frame}{"".join(parts)}</svg>')


def _named(token: str) -> str:
    """A token as it can be seen: a space has a mark, and so has what turns the direction."""
    return visible("".join(BLANK.get(letter, letter) for letter in cut(token, LABEL)))


def _width(name: str) -> float:
    """In letters; those of wide scripts count nearly twice."""
    return sum(1.8 if ord(letter) > 0x2E80 else 1.0 for letter in name)
