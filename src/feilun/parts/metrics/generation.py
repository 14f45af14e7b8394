"""How good made pictures are: whether a simple reader recognises them, and how far all of them are from real ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np

SCORES = {
    "frechet": "distance between made and real pictures with their classes, as two normal distributions",
    "recognised": "share of pictures that a nearest-neighbour reader takes for what was asked",
}

NEIGHBOURS = 5
SIDE = 8  # pixels per side that the reader and the distance look at


def thumbnails(pictures: Sequence[str | bytes], side: int, mode: str = "L") -> np.ndarray:
    """float32 (N, side · side · channels) in [0, 1] from encoded pictures, bytes or base64. mode: "L" or "RGB"."""
    from PIL import Image

    made = np.empty((len(pictures), side * side * (3 if mode == "RGB" else 1)), np.float32)
    for place, picture in enumerate(pictures):
        content = base64.b64decode(picture.rpartition("base64,")[2]) if isinstance(picture, str) else picture
        with Image.open(io.BytesIO(content)) as opened:
            small = opened.convert(mode).resize((side, side), Image.Resampling.BOX)
        made[place] = np.asarray(small, np.float32).ravel() / 255
    return made


def read(pictures: Sequence[str | bytes], known: np.ndarray, labels: np.ndarray) -> tuple[list[str], list[float]]:
    """What a reader takes each picture for, and the share of its five nearest known pictures that agree.

    known: float32 (K, ...) from `thumbnails(…, SIDE, "RGB")`.  labels: str (K,).
    """
    seen = thumbnails(pictures, SIDE, "RGB")
    gaps = (seen**2).sum(1)[:, None] - 2 * seen @ known.T + (known**2).sum(1)[None, :]
    count = min(NEIGHBOURS, len(known))
    said, shares = [], []
    for row in gaps:
        nearest = labels[np.argsort(row, kind="stable")[:count]].tolist()
        best = max(nearest, key=nearest.count)  # of equals the nearer one, which comes first
        said.append(str(best))
        shares.append(nearest.count(best) / count)
    return said, shares


def frechet(made: np.ndarray, real: np.ndarray) -> float:
    """|μ₁ - μ₂|² + Tr(C₁ + C₂ - 2 (C₁ C₂)^½) of two samples (N, D) and (M, D).

    Dowson & Landau 1982; used for pictures by Heusel et al. 2017. Tr (C₁ C₂)^½ is taken as the trace of the root of
    the symmetric C₁^½ C₂ C₁^½, which has the same eigenvalues. Needs two rows of each; else only the means count.
    """
    gap = ((made.mean(0) - real.mean(0)) ** 2).sum()
    if min(len(made), len(real)) < 2:
        return float(gap)
    one, other = (np.cov(sample, rowvar=False).reshape(sample.shape[1], -1) for sample in (made, real))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    common = np.sqrt(np.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    return float(max(0.0, gap + np.trace(one) + np.trace(other) - 2 * common))


def frechet_with_class(
    made: Sequence[str], real: Sequence[str], labels: Sequence[str]
) -> Callable[[np.ndarray], float]:
    """A function of row numbers: `frechet` over 8 x 8 grey thumbnails, each joined with its class as 0/1 numbers.

    Joined, so that a good picture of the wrong class counts as wrong: DeVries et al. 2019. labels: what was asked.
    """
    classes = {label: place for place, label in enumerate(sorted(set(labels)))}
    asked = np.eye(len(classes))[[classes[label] for label in labels]]
    ours, theirs = (np.hstack([thumbnails(some, SIDE), asked]) for some in (made, real))
    return lambda rows: frechet(ours[rows], theirs[rows])
