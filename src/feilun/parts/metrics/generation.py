"""How good made pictures are: whether a simple reader recognises them, and how far all of them are from real ones."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

SCORES = {
    "distance": "how far made pictures are from real ones of the same class, all together (MMD²)",
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


def kernel_distance(made: Sequence[str], real: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """What each row adds to the distance between made and real pictures of its class, float64 (N,); 0 is alike.

    The mean is MMD² (Gretton et al. 2012, unbiased form) within each class, weighted by its rows: with made xᵢ, real
    yᵢ, row i is meanⱼ≠ᵢ k(xᵢ, xⱼ) + meanⱼ≠ᵢ k(yᵢ, yⱼ) - meanⱼ k(xᵢ, yⱼ) - meanⱼ k(xⱼ, yᵢ).  k(a, b) =
    exp(-|a - b|² / 2σ²) on 8 x 8 grey thumbnails, σ = half the median distance of real pictures of one class: small
    enough that pictures which lack variety are far from real ones.  Slightly below 0 is chance.
    """
    ours, theirs = (thumbnails(some, SIDE).astype(np.float64) for some in (made, real))
    classes = [np.flatnonzero(np.array(labels) == label) for label in sorted(set(labels))]
    gaps = [_apart(_squares(theirs[rows], theirs[rows])) for rows in classes if len(rows) > 1]
    median = float(np.median(np.concatenate(gaps))) if gaps else 0.0
    scale = median / 2 or 1.0  # 2 σ² with σ = √median / 2; any scale will do where there is none
    found = np.zeros(len(labels))
    for rows in classes:
        within = [_others(np.exp(-_squares(some[rows], some[rows]) / scale)) for some in (ours, theirs)]
        across = np.exp(-_squares(ours[rows], theirs[rows]) / scale)
        found[rows] = within[0] + within[1] - across.mean(1) - across.mean(0)
    return found


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distances (N, M)."""
    square: np.ndarray = (one**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2 * one @ other.T
    return square.clip(0)


def _apart(square: np.ndarray) -> np.ndarray:
    """What is not on the diagonal."""
    return np.asarray(square[~np.eye(len(square), dtype=bool)])


def _others(kernel: np.ndarray) -> np.ndarray:
    """Mean over the other rows; a row alone in its class has only itself."""
    count = len(kernel)
    return np.asarray((kernel.sum(1) - np.diag(kernel)) / (count - 1) if count > 1 else kernel[:, 0])
