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
            for column in feature.columns:
                found.setdefault(column, _column(feature.kind, feature.to_json()))
    return found


def example(signature: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One row that the model takes."""
    return {column: facts["example"] for column, facts in signature.items()}


def _column(kind: str, fitted: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "image":
        height, width = _size(fitted.get("size"))
        channels = int(fitted.get("channels") or 3)
        return {
            "kind": kind,
            "example": base64.b64encode(blank_png(height, width)).decode(),
            "size": [height, width],
            "channels": channels,
        }
    choices = next((fitted[key] for key in ("categories", "vocabulary", "values") if _is_list(fitted.get(key))), None)
    if kind in ("category", "identifier", "user", "item") and choices:
        return {"kind": kind, "example": choices[0], "choices": list(choices[:MOST_CHOICES])}
    if kind == "number":
        mean = fitted.get("mean", fitted.get("median"))
        return {"kind": kind, "example": round(float(mean), 4) if isinstance(mean, int | float) else 0.0}
    return {"kind": kind, "example": "1" if kind == "category" else "text"}


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


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, str) for item in value)
