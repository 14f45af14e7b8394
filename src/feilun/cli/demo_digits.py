"""The demonstration's data: clean digits to train on, and the same kind of digits as other people write them.

scikit-learn's 1,797 digits are dealt by the seed: some train version 1; the others are dealt to the laps, so that no
drawing of a lap was seen before it. Each request is one of its lap's drawings, rotated, thicker and shifted by chance.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

CLEAN = 1100  # digits that version 1 is made from: its train, validation, gate and test rows
DEGREES = (5.0, 25.0)  # how far writing leans
THICKER = (0.1, 0.4)  # how much of the picture with every stroke widened to three pixels is mixed in
SHIFT = 0.7  # pixels of 8, at most, in any direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One picture to ask about. drawing: which digit it was made from."""

    row: dict[str, str]
    label: str
    drawing: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Digits:
    """clean: {image, label}, the table that version 1 learns; traffic: the requests of each lap."""

    clean: dict[str, list[Any]]
    traffic: Sequence[Sequence[Request]]


def deal(seed: int, laps: int, requests: int) -> Digits:
    """All data of a demonstration; another seed deals and writes differently."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    pictures = np.round(loaded.images * (255 / 16)).astype(np.uint8)
    labels = [str(label) for label in loaded.target]
    draw = np.random.default_rng([seed, 8])
    order = draw.permutation(len(pictures))
    clean, rest = order[:CLEAN], order[CLEAN:]
    table = {"image": [_png(pictures[i]) for i in clean], "label": [labels[i] for i in clean]}
    parts = np.array_split(rest, laps)
    return Digits(clean=table, traffic=[_lap(draw, part, pictures, labels, requests) for part in parts])


def spread(requests: Sequence[Request], count: int) -> list[int]:
    """Places of so many requests, of different drawings: what is held back never shows a drawing that was learnt."""
    first: dict[int, int] = {}
    for place, request in enumerate(requests):
        first.setdefault(request.drawing, place)
    return sorted(first.values())[:count]


def _lap(
    draw: np.random.Generator, drawings: np.ndarray, pictures: np.ndarray, labels: Sequence[str], count: int
) -> list[Request]:
    rounds = [draw.permutation(drawings) for _ in range(-(-count // len(drawings)))]
    chosen = np.concatenate(rounds)[:count]
    return [
        Request(row={"image": _text(differently(pictures[i], draw))}, label=labels[i], drawing=int(i)) for i in chosen
    ]


def differently(pixels: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """The same digit, uint8 (8, 8), by another hand: leaning, thicker, out of the middle."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray(pixels)
    picture = Image.blend(picture, picture.filter(ImageFilter.MaxFilter(3)), draw.uniform(*THICKER))
    moved = draw.uniform(-SHIFT, SHIFT, 2)
    turned = _turned(picture, float(draw.uniform(*DEGREES)), (float(moved[0]), float(moved[1])))
    return np.asarray(turned)


def _turned(picture: Image.Image, degrees: float, moved: tuple[float, float]) -> Image.Image:
    """Rotated about its middle and moved by parts of a pixel, in one resampling."""
    from PIL import Image

    radians = np.deg2rad(degrees)
    cos, sin, middle = float(np.cos(radians)), float(np.sin(radians)), picture.width / 2
    x, y = middle + moved[0], middle + moved[1]
    matrix = (cos, -sin, middle - cos * x + sin * y, sin, cos, middle - sin * x - cos * y)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC)


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _text(pixels: np.ndarray) -> str:
    return base64.b64encode(_png(pixels)).decode()
