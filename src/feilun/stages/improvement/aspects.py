"""What can be measured of an encoded input column, whatever its kind: one number or code per row and aspect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from feilun.parts.ops.ragged import Ragged
from feilun.stages.improvement.drift import Aspect

Measured = Iterator[tuple[str, np.ndarray, np.ndarray, bool]]  # aspect, of training, of requests, is a category


def aspects(
    reference: Mapping[str, Any], requests: Mapping[str, Any], owners: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Aspect]:
    """{"column: aspect": Aspect}. reference, requests: {feature: encoded rows}, of training and of requests in order.

    owners: {feature: the column each of its encoded values belongs to}, for features of several columns.
    """
    found: dict[str, Aspect] = {}
    for feature, before in reference.items():
        named = (owners or {}).get(feature, ())
        for name, one, other, is_category in _measured(feature, before, requests[feature], named):
            found[name] = Aspect(reference=one, requests=other, is_category=is_category)
    return found


def _measured(feature: str, before: Any, now: Any, owners: Sequence[str]) -> Measured:
    if isinstance(before, Ragged):
        yield f"{feature}: length", np.diff(before.offsets).astype(float), np.diff(now.offsets).astype(float), False
        if before.values.ndim == 1 and before.values.dtype.kind in "iu":
            yield f"{feature}: wording", *_wording(before, now), False
    elif before.dtype == np.uint8 and before.ndim >= 3:
        later = picture_measures(now)
        for word, one in picture_measures(before).items():
            yield f"{feature}: {word}", one, later[word], False
    elif before.ndim == 1:
        yield feature, np.asarray(before), np.asarray(now), before.dtype.kind in "iub"
    elif before.ndim == 2 and len(owners) == before.shape[1]:
        yield from _by_column(before, now, owners)
    else:
        before, now = before.reshape(len(before), -1), now.reshape(len(now), -1)
        yield f"{feature}: mean", before.mean(1), now.mean(1), False
        yield f"{feature}: spread", before.std(1), now.std(1), False


def _by_column(before: np.ndarray, now: np.ndarray, owners: Sequence[str]) -> Measured:
    """One aspect per column: neighbouring values of one column are its pieces, and their sum rises with the number.

    A column that comes again later says there whether a value was missing.
    """
    seen: set[str] = set()
    starts = [place for place, owner in enumerate(owners) if place == 0 or owners[place - 1] != owner]
    for start, end in zip(starts, [*starts[1:], len(owners)], strict=True):
        name = f"{owners[start]}: missing" if owners[start] in seen else owners[start]
        seen.add(owners[start])
        is_category = before.dtype.kind in "iub" or name.endswith(": missing")
        yield name, before[:, start:end].sum(1), now[:, start:end].sum(1), is_category


def picture_measures(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Brightness, contrast, edges, and where the light lies: centre, extent and slant, float64 (N,) each.

    pictures: uint8 (N, H, W), (N, H, W, C) or (N, C, H, W).
    """
    grey = _grey(pictures)
    height, width = grey.shape[1:]
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    light = grey + 1e-6  # an all black picture has its centre in the middle
    light /= light.sum((1, 2), keepdims=True)
    x, y = light.sum(1) @ across, light.sum(2) @ down
    spread_x = light.sum(1) @ across**2 - x**2
    spread_y = light.sum(2) @ down**2 - y**2
    together = np.einsum("nhw,h,w->n", light, down, across) - x * y
    edges = np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2))
    contrast = grey.std((1, 2))
    return {
        "brightness": grey.mean((1, 2)),
        "contrast": contrast,
        "edges": edges / (contrast + 1e-3),
        "centre across": x,
        "centre down": y,
        "width": spread_x,
        "height": spread_y,
        "slant": together / np.sqrt(spread_x * spread_y + 1e-9),
    }


def _grey(pictures: np.ndarray) -> np.ndarray:
    values = pictures.astype(np.float64) / 255
    if values.ndim == 4:
        values = values.mean(1 if values.shape[1] in (1, 3, 4) else 3)
    return values


def _wording(before: Ragged, now: Ragged) -> tuple[np.ndarray, np.ndarray]:
    """Per row, how unusual its tokens are: the mean of -log of their share among training tokens.

    Half of the training rows give the shares and the other half is what requests are compared with: rows that
    helped to count would look more usual than any new ones.
    """
    half = len(before) // 2
    rows = np.arange(len(before))
    counted, compared = before.take(rows[:half]), before.take(rows[half:])
    size = int(max(before.values.max(initial=0), now.values.max(initial=0))) + 1
    counts = np.bincount(counted.values, minlength=size) + 0.5
    unusual = -np.log(counts / counts.sum())
    return _row_means(compared, unusual), _row_means(now, unusual)


def _row_means(tokens: Ragged, unusual: np.ndarray) -> np.ndarray:
    sums = np.concatenate([[0.0], np.cumsum(unusual[tokens.values])])
    lengths = np.diff(tokens.offsets)
    means: np.ndarray = (sums[tokens.offsets[1:]] - sums[tokens.offsets[:-1]]) / np.maximum(lengths, 1)
    return means
