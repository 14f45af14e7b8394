"""Scores of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SCORES = {
    "rmse": "root of the mean squared error, in the target's unit; lower is better",
    "mae": "mean absolute error, in the target's unit; lower is better",
    "r2": "share of the variance that is explained; 0 is what the mean alone would do",
}
Statistic = Callable[[np.ndarray], float]


def rmse(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """Root mean squared error of (N,) or (N, targets)."""
    squares = ((said - truth) ** 2).reshape(len(truth), -1).mean(1)
    return lambda index: float(np.sqrt(squares[index].mean())) if len(index) else math.nan


def mae(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): absolute error, mean over targets."""
    return np.asarray(np.abs(said - truth).reshape(len(truth), -1).mean(1))


def r2(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """1 - squared error / squared distance from the mean of these rows, mean over targets; NaN if truth is constant."""
    said, truth = said.reshape(len(said), -1), truth.reshape(len(truth), -1)

    def statistic(index: np.ndarray) -> float:
        right = truth[index]
        spread = ((right - right.mean(0)) ** 2).sum(0)
        if not len(index) or not spread.all():
            return math.nan
        return float((1 - ((said[index] - right) ** 2).sum(0) / spread).mean())

    return statistic
