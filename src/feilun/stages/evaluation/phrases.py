"""Answers and truths as a person would say them; boxes and pictures as drawings."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from feilun.parts.metrics.wording import shown
from feilun.stages.evaluation.bilingual import Phrase, tell

if TYPE_CHECKING:
    from feilun.core.task import Json

SAID = (
    "label",
    "labels",
    "item",
    "value",
    "values",
    "text",
    "translation",
    "items",
    "boxes",
    "image",
    "answer",
    "answers",
    "match",
)
SURE = ("confidence", "probability", "score")
LONGEST = 200
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode's bidirectional controls
SIGNATURES = (b"\x89PNG\r\n", b"\xff\xd8\xff")


def said(value: Json) -> str | Phrase:
    """One line: `yes (83 %)`, `dog × 2, cat`, `51,987`; an empty answer says so."""
    if isinstance(value, dict) and "nats" in value:
        return tell("{nats} nats a token", nats=f"{value['nats'] / max(1, value['tokens']):.2f}")
    if isinstance(value, dict) and "place" in value and "of" in value:
        return tell("place {place} of {count}", place=f"{value['place']:,}", count=f"{value['of']:,}")
    text = _said(value)
    return cut(text, LONGEST) if text else tell("nothing")


def cut(text: str, most: int) -> str:
    """The text, or its beginning with a mark that there is more."""
    return text if len(text) <= most else f"{text[:most]}…"


def visible(text: str) -> str:
    """Letters that turn the direction of what follows, as their numbers: `gpj.exe` must not read as `exe.jpg`."""
    return TURNING.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def picture(value: Json) -> str:
    """Base64 of the picture that an answer is or holds; "" if there is none."""
    if isinstance(value, dict):
        return next((found for item in value.values() if isinstance(item, str) and (found := picture(item))), "")
    if not isinstance(value, str) or len(value) < 60:
        return ""
    text = value.rpartition("base64,")[2]
    try:
        start = base64.b64decode(text[:16], validate=True)
    except (binascii.Error, ValueError):
        return ""
    return text if start.startswith(SIGNATURES) else ""


def boxed(png: str, size: tuple[int, int], answer: Json, truth: Json) -> Markup:
    """The picture with the answer's boxes solid and the truth's dashed; "" if neither has boxes."""
    drawn = [(_boxes(truth), "true"), (_boxes(answer), "said")]
    if not any(boxes for boxes, _ in drawn):
        return Markup("")
    width, height = size
    stroke = max(width, height) / 80
    parts = [f'<image href="data:image/png;base64,{escape(png)}" width="{width}" height="{height}"/>']
    for boxes, kind in drawn:
        for box in boxes:
            x0, y0, x1, y1 = (float(edge) for edge in box["box"])
            place = f'x="{x0:g}" y="{y0:g}" width="{max(0, x1 - x0):g}" height="{max(0, y1 - y0):g}"'
            title = f"<title>{escape(str(box.get('label', '')))}</title>"
            parts.append(f'<rect {place} class="box {kind}" stroke-width="{stroke:g}">{title}</rect>')
    return Markup(f'<svg viewBox="0 0 {width} {height}" class="boxed" role="img">{"".join(parts)}</svg>')


def _said(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return shown(value)
    if isinstance(value, list):
        if value and all(isinstance(item, dict) and "box" in item for item in value):
            many = Counter(_label(item) for item in value).most_common()
            return ", ".join(label if count == 1 else f"{label} × {count}" for label, count in many)
        if value and all(isinstance(item, dict) and "start" in item and "text" in item for item in value):
            return ", ".join(": ".join(filter(None, (item["text"], item.get("label")))) for item in value)
        return ", ".join(_said(item) for item in value[:12]) + ("…" if len(value) > 12 else "")
    if isinstance(value, dict):
        main = next((key for key in SAID if key in value), None)
        if main is None:
            return json.dumps(value, ensure_ascii=False)
        if value[main] is None:
            return ""
        sure = next((value[key] for key in SURE if isinstance(value.get(key), float)), None)
        return _said(value[main]) + (f" ({_percent(sure)})" if sure is not None and 0 <= sure <= 1 else "")
    return str(value)


def _percent(share: float) -> str:
    """A probability; nothing is quite certain. The space does not break."""
    return ">99\u00a0%" if share > 0.99 else f"{100 * share:.0f}\u00a0%"


def _boxes(value: Json) -> list[dict[str, Any]]:
    """The boxes of an answer or a truth: a list of {label, box}, or an object that holds one under `boxes`."""
    found = value.get("boxes", []) if isinstance(value, dict) else value
    if not isinstance(found, list):
        return []
    return [item for item in found if isinstance(item, dict) and len(item.get("box", ())) == 4]


def _label(item: dict[str, Any]) -> str:
    return str(item.get("label", "box"))
