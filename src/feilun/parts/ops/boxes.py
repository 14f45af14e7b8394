"""Boxes as four edges x0, y0, x1, y1: overlap, and keeping the best of many that overlap. numpy only."""

from __future__ import annotations

import numpy as np


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: (N, 4), (M, 4) -> float64 (N, M); 0 where both are empty."""
    first, second = np.asarray(first, np.float64).reshape(-1, 4), np.asarray(second, np.float64).reshape(-1, 4)
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    union = _area(first)[:, None] + _area(second)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def suppress(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, most: float) -> np.ndarray:
    """Places of the boxes that stay, best score first: greedy non-maximum suppression within each label.

    boxes: (N, 4).  most: two boxes of a label may overlap by this intersection over union.
    """
    order = np.argsort(-scores, kind="stable")
    clash = (overlap(boxes[order], boxes[order]) > most) & (labels[order][:, None] == labels[order][None, :])
    stays = np.ones(len(order), bool)
    for place in range(len(order)):
        if stays[place]:
            stays[place + 1 :] &= ~clash[place, place + 1 :]
    return np.asarray(order[stays])


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1))
