"""Test rows shown in the report with their answers and what spoke for them; pictures within what a page may weigh."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from feilun.stages.evaluation import markup, phrases
from feilun.stages.evaluation.bilingual import known, tell

SECTIONS = ("examples", "mistakes", "certainty", "groups", "why", "stress", "data", "cost")  # where pictures may stand
SMALL = 64  # pixels: pictures up to this are enlarged with their pixels showing
TOKENS, TOKEN, CELLS, TEXT = 300, 40, 12, 400  # of one card
LABEL = 80  # letters of a column's name
FELT = 0.2  # of the strongest: what is weaker is not marked
SAID = ("answer", "truth")
NARROW = 20  # letters of a value beside which another card still fits on a phone
ROWS = 12  # cards of a group
PICTURES = 24  # that a task drew
TEXTS = re.compile(r"<text (?P<attributes>[^>]*)>(?P<text>[^<]*)</text>")
AXES = {"answer", "truth", "prediction", "probability given", "share right", "precision", "recall"} | {
    "false positive rate",
    "true positive rate",
}
TITLES = {"wrong": "Worst mistakes, worst first", "right": "Answered well, drawn at random"}


@dataclass(slots=True)
class Budget:
    """What pictures may still weigh, in bytes; whatever does not fit is left out and counted."""

    left: int
    refused: int = 0

    def take(self, content: str) -> str:
        """The content if there is room for it, else ""."""
        size = len(content.encode())
        if size > self.left:
            self.refused += 1
            return ""
        self.left -= size
        return content


def examples(groups: Any, budget: Budget) -> list[dict[str, Any]]:
    """The cards, wrong ones first."""
    found = []
    for group, title in TITLES.items():
        rows = [_example(row, budget) for row in (groups or {}).get(group, [])[:ROWS]]
        if rows:
            only = all(cell["png"] and not cell["boxes"] for row in rows for cell in row["cells"])
            compact = all(_is_compact(row) for row in rows)
            found.append(
                {"group": group, "title": tell(title), "rows": rows, "pictures_only": only, "compact": compact}
            )
    return found


def pictures(drawn: Any, budget: Budget, labels: Collection[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """{section: pictures}; a section nobody knows counts as mistakes, a drawing that is not plain is left out.

    labels: classes, which may be called like an axis and are never translated.
    """
    found: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for picture in (drawn or [])[:PICTURES]:
        svg = budget.take(_spoken(markup.safe(picture["svg"]), labels)) if picture["svg"] else ""
        png = budget.take(picture["png"]) if picture["png"] and not svg and is_picture(picture["png"]) else ""
        if svg or png:
            section = picture["where"] if picture["where"] in found else "mistakes"
            made = {
                "title": known(picture["title"]),
                "caption": known(picture["caption"]) if picture["caption"] else "",
            }
            found[section].append({**made, "svg": Markup(svg), "png": png})
    return found


def moved_threshold(groups: Any) -> bool:
    """Whether an answer of two is shown that is the less probable one, which asks for a word."""
    answers = [row["answer"] for rows in (groups or {}).values() for row in rows]
    return any(
        len(answer.get("scores") or ()) == 2 and isinstance(answer.get("score"), float) and answer["score"] < 0.5
        for answer in answers
        if isinstance(answer, dict)
    )


def is_small(png: str) -> bool:
    """Whether this base64 PNG has so few pixels that they should show."""
    head = base64.b64decode(png[:32])
    return head.startswith(phrases.SIGNATURES[0]) and max(struct.unpack(">II", head[16:24])) <= SMALL


def is_picture(text: str) -> bool:
    """Whether this is base64 of a PNG or JPEG, and nothing that could end an attribute."""
    try:
        return base64.b64decode(text, validate=True).startswith(phrases.SIGNATURES)
    except (binascii.Error, ValueError):
        return False


def _spoken(svg: str, labels: Collection[str]) -> str:
    """The drawing with the titles of its axes in both languages."""

    def both(found: re.Match[str]) -> str:
        text = found["text"].strip()
        return known(text).drawn(found["attributes"]) if text in AXES and text not in labels else found[0]

    return TEXTS.sub(both, svg)


def _is_compact(row: Mapping[str, Any]) -> bool:
    """Whether two such cards stand side by side on a phone."""
    texts = [str(cell["text"]) for cell in row["cells"]] + [str(phrases.said(row[word][0])) for word in SAID]
    return all(len(text) <= NARROW for text in texts) and not any(cell["tokens"] for cell in row["cells"])


def _example(row: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    why = row.get("why") or {}
    most = max((abs(_weight(about)) for about in why.values()), default=0.0)
    cells = [_cell(cell, why.get(cell["name"]) or {}, row, budget) for cell in row["columns"][:CELLS]]
    for cell in cells:
        cell.update(_felt(_weight(why.get(cell["name"])), most))
    shown = {word: (row[word], _answer_picture(row[word], budget)) for word in SAID}
    more = row.get("more", 0) + max(0, len(row["columns"]) - CELLS)
    return {"id": row["id"], "cells": cells, "more": more, **shown}


def _cell(cell: Mapping[str, Any], why: Mapping[str, Any], row: Mapping[str, Any], budget: Budget) -> dict[str, Any]:
    png = str(cell.get("png", ""))
    size = tuple(cell.get("size", (0, 0)))
    boxes = phrases.boxed(png, size, row["answer"], row["truth"]) if png else ""
    png = budget.take(png) if is_picture(png) else ""
    heat = str(why.get("heat", ""))
    heat = budget.take(heat) if png and is_picture(heat) else ""
    text = str(cell.get("text", ""))
    return {
        "name": phrases.cut(str(cell["name"]), LABEL),
        "png": png,
        "text": known(text) if text == "(missing)" else phrases.cut(text, TEXT),
        "small": max(size) <= SMALL,
        "boxes": boxes if png else "",
        "heat": heat,
        "tokens": _tokens(why.get("tokens")),
    }


def _weight(about: Any) -> float:
    """What taking this column's value away changed; 0 where it is told by words or places."""
    weight = about.get("weight") if isinstance(about, Mapping) else None
    return float(weight) if isinstance(weight, int | float) else 0.0


def _felt(weight: float, most: float) -> dict[str, Any]:
    """{kind: for | against | "", strength: 0 to 100}, the strongest of its row at 100."""
    share = abs(weight) / most if most > 0 else 0.0
    return {"kind": "" if share < FELT else "for" if weight > 0 else "against", "strength": round(100 * share)}


def _tokens(found: Any) -> list[dict[str, Any]]:
    """[{text, kind: for | against | "", strength 0 to 100}], the strongest of the row at 100."""
    if not isinstance(found, list):
        return []
    pairs = [(str(item[0]), float(item[1])) for item in found[:TOKENS] if len(item) == 2]
    most = max((abs(weight) for _, weight in pairs), default=0.0)
    return [{"text": phrases.cut(text, TOKEN), **_felt(weight, most)} for text, weight in pairs]


def _answer_picture(value: Any, budget: Budget) -> str:
    png = phrases.picture(value)
    return budget.take(png) if png and is_picture(png) else ""
