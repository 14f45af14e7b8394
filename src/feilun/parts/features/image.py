"""Pictures: decoded, turned upright and resized to one size; whole batches are augmented in one resampling."""

from __future__ import annotations

import base64
import binascii
import io
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feilun.core.errors import DataError, RecipeError
from feilun.core.task import Rows
from feilun.parts.features import augmentation
from feilun.parts.features.augmentation import Augmentation

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOST_PIXELS = 50_000_000  # a picture that unpacks to more is refused before it is unpacked
LARGEST_SIDE = 128  # of the size that is chosen when none is given
GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I", "F")


@dataclass(frozen=True, kw_only=True)
class Image:
    """One column of pictures as uint8 (N, channels, height, width).

    size: (height, width) or one number for both; left out, the size all training pictures have, else a square of
    their usual shorter side, at most 128.  channels: 1 or 3; left out, 1 if all training pictures are grey.
    augment: what may be changed while training; `augment(batch, generator)` does it.
    """

    kind: ClassVar[str] = "image"
    sample: ClassVar[int] = 256  # training rows that fitting looks at

    columns: tuple[str, ...]
    size: tuple[int, int] | int | None = None
    channels: int | None = None
    augment: Augmentation | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "size", _pair(self.size, self.columns[0]))
        object.__setattr__(self, "augment", _augmentation(self.augment, self.columns[0]))
        if self.channels not in (None, 1, 3):
            raise _option(self.columns[0], "channels", "1 (grey) or 3 (colour)", self.channels)

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return self.size is not None and self.channels is not None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one encoded picture."""
        height, width = self._fitted_size()
        return int(self.channels or 0), height, width

    def fit(self, rows: Rows) -> Image:
        """Choose what was left open. Raises DataError if a picture cannot be read."""
        column = self.columns[0]
        values = rows[column][:: max(1, len(rows[column]) // self.sample)]
        pictures = [opened(column, value) for value in values]
        if not pictures:
            raise DataError(f"Column {column!r} has no training picture. Add pictures.", where=column, got="none")
        sizes = Counter((picture.height, picture.width) for picture in pictures)
        only = next(iter(sizes))
        side = min(LARGEST_SIDE, int(np.median([min(picture.size) for picture in pictures])))
        same = len(sizes) == 1 and max(only) <= LARGEST_SIDE
        grey = all(picture.mode in GREY for picture in pictures)
        return replace(
            self,
            size=self.size or (only if same else (side, side)),
            channels=self.channels or (1 if grey else 3),
        )

    def encode(self, rows: Rows) -> np.ndarray:
        """uint8 (N, channels, height, width). Raises DataError for a missing, broken or far too large picture."""
        column, (channels, height, width) = self.columns[0], self.shape
        encoded = np.empty((len(rows[column]), channels, height, width), np.uint8)
        for place, value in enumerate(rows[column]):
            picture = _in_mode(opened(column, value), channels)
            if picture.size != (width, height):
                picture = picture.resize((width, height), resample=2)  # bilinear
            array = np.asarray(picture)
            encoded[place] = array[None] if channels == 1 else array.transpose(2, 0, 1)
        return encoded

    def to_json(self) -> dict[str, Any]:
        """Options and fitted state."""
        return asdict(self)

    def _fitted_size(self) -> tuple[int, int]:
        if not isinstance(self.size, tuple):
            raise _option(self.columns[0], "size", "a fitted feature", self.size)
        return self.size


FEATURE = Image


def opened(column: str, value: Any) -> Picture:
    """The unpacked picture, turned as its EXIF note says.

    value: bytes, base64 text, Path, uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).  Raises DataError.
    """
    from PIL import Image as pillow
    from PIL import ImageOps

    if isinstance(value, np.ndarray):
        return _from_array(column, value)
    try:
        picture: Picture = pillow.open(_source(column, value))
        if picture.width * picture.height > MOST_PIXELS:
            raise _too_large(column, f"{picture.width} x {picture.height}")
        picture.load()
        return ImageOps.exif_transpose(picture)
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        raise _too_large(column, str(error)) from error
    # What Pillow raises on broken files: OSError mostly, and from deep inside its readers the others.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, TypeError, OverflowError) as error:
        raise _wrong(column, f"a picture that cannot be read ({error})"[:200]) from error


def _source(column: str, value: Any) -> io.BytesIO | Path:
    """Text is never taken for a path: a request must not read the server's files."""
    if isinstance(value, bytes | bytearray | memoryview):
        return io.BytesIO(value)
    if isinstance(value, Path):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return io.BytesIO(value["bytes"])
    if not isinstance(value, str):
        raise _wrong(column, "missing" if value is None else f"{value!r:.60}")
    text = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return io.BytesIO(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise _wrong(column, f"text that is not base64: {value[:40]!r}") from error


def _from_array(column: str, value: np.ndarray) -> Picture:
    from PIL import Image as pillow

    if value.ndim == 3 and value.shape[2] == 1:
        value = value[:, :, 0]
    good = value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4)))
    if not good or not value.size or value.shape[0] * value.shape[1] > MOST_PIXELS:
        raise _wrong(column, f"an array {value.dtype} {value.shape}")
    return pillow.fromarray(np.ascontiguousarray(value))


def _in_mode(picture: Picture, channels: int) -> Picture:
    """L or RGB. Transparent parts become white, as a browser shows them; 16 bits are cut to 8."""
    from PIL import Image as pillow

    if picture.mode.startswith("I;16") or picture.mode == "I":
        array = np.asarray(picture).astype(np.int64)
        picture = pillow.fromarray(np.clip(array >> 8, 0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        picture = pillow.new("RGBA", clear.size, "white")
        picture.alpha_composite(clear)
    wanted = "L" if channels == 1 else "RGB"
    return picture if picture.mode == wanted else picture.convert(wanted)


def _wrong(column: str, got: str) -> DataError:
    return DataError(
        f"Column {column!r} holds pictures; this row has {got}. Give the bytes of a PNG or JPEG file, in JSON as "
        "base64 text, from Python also a pathlib.Path or a uint8 array (H, W) or (H, W, 3).",
        where=column,
        expected="a picture",
        got=got,
        fix="save the picture again as PNG or JPEG, or leave the row out",
    )


def _too_large(column: str, got: str) -> DataError:
    return DataError(
        f"A picture of column {column!r} is too large: {got}; at most {MOST_PIXELS:,} pixels are read. Shrink it.",
        where=column,
        expected=f"at most {MOST_PIXELS:,} pixels",
        got=got,
        fix="make the picture smaller",
    )


def _option(column: str, name: str, expected: str, got: Any) -> RecipeError:
    return RecipeError(
        f"{name} of {column} must be {expected}; it is {got!r}.",
        where=f"inputs.{column}.{name}",
        expected=expected,
        got=str(got),
        fix="leave the key out",
    )


def _pair(size: Any, column: str) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(side, int) and 1 <= side <= 4096 for side in pair):
        raise _option(column, "size", "one number of pixels, or [height, width]", size)
    return pair


def _augmentation(value: Any, column: str) -> Augmentation | None:
    if value is None or isinstance(value, Augmentation):
        return value
    problem = augmentation.wrong(value)
    if problem is not None:
        key, expected = problem
        raise _option(column, key, expected, value if key == "augment" else value[key.partition(".")[2]])
    return Augmentation(**value)
