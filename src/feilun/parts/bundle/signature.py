"""What a model wants to be asked: every input column with its kind, an example, and what a form needs to show it."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.protocols import Feature

MOST_CHOICES = 200  # a longer list is no help in a form
MOST_PIXELS = 1_000_000


def columns(features: Mapping[str, Feature], targets: Collection[str]) -> dict[str, dict[str, Any]]:
    """{column: {kind, example, ...}} of the columns that must be sent; columns of targets are not asked for.

    Examples come from what was fitted (a mean, the first category, an empty picture): no training row is copied here.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, feature in features.items():
        if name not in targets:
            fitted = feature.to_json()
            for place, column in enumerate(feature.columns):
                found.setdefault(column, _column(getattr(feature, "column_kind", feature.kind), fitted, place))
    return found


def example(signature: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One row that the model takes."""
    return {column: facts["example"] for column, facts in signature.items()}


def _column(kind: str, fitted: Mapping[str, Any], place: int) -> dict[str, Any]:
    """What is known of the feature's column at this place."""
    if kind == "image":
        height, width = _size(fitted.get("size"))
        picture = base64.b64encode(blank_png(height, width)).decode()
        return {"kind": kind, "example": picture, "size": [height, width], "channels": int(fitted.get("channels") or 3)}
    if kind == "number":
        scale = _at(fitted.get("scales"), place) or {}
        written = (fitted.get("written") or {}).get(_at(fitted.get("columns"), place))
        told = {"written": dict(written)} if written else {}
        mean = scale.get("mean") if isinstance(scale, Mapping) else None
        return {"kind": kind, "example": float(f"{mean:.4g}") if isinstance(mean, int | float) else 0.0, **told}
    if fitted.get("example"):  # a feature that says itself what it takes
        return {"kind": kind, "example": fitted["example"]}
    if fitted.get("role"):  # of a dialogue: whether it is one, a question, or a text
        turns = [{"role": "user", "content": "text"}]
        return {"kind": kind, "example": turns if fitted["role"] == "chat" else "text", "role": fitted["role"]}
    choices = _at(fitted.get("vocabularies"), place)
    if isinstance(choices, list | tuple) and choices:
        return {"kind": kind, "example": choices[0], "choices": list(choices[:MOST_CHOICES]), "distinct": len(choices)}
    return {"kind": kind, "example": "text"}


def blank_png(height: int, width: int) -> bytes:
    """An empty black picture, grey 8 bit. PNG: ISO/IEC 15948."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\0" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _size(size: Any) -> tuple[int, int]:
    """Height and width from a feature's `size`: one number, or two."""
    height, width = (size, size) if isinstance(size, int) else (tuple(size or (32, 32)) * 2)[:2]
    height, width = int(height), int(width)
    return (height, width) if 0 < height * width <= MOST_PIXELS else (32, 32)


def _at(values: Any, place: int) -> Any:
    return values[place] if isinstance(values, list | tuple) and place < len(values) else None
