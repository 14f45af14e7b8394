"""Scores of numbers; each is checked against scikit-learn in the tests."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

SCORES = {
    "rmse": "root of the mean squared error, in the target's unit; lower is better",
    "mae": "mean absolute error, in the target's unit; lower is better",
    "median_error": "median absolute error: half of the answers are nearer; lower is better",
    "mape": "mean absolute error as a share of the truth, where no truth is 0; lower is better",
    "r2": "share of the variance that is explained; 0 is what the mean alone would do",
    "pinball_10": "loss of answers as 10 % quantiles, if asked for: too high costs nine times too low",
    "pinball_90": "loss of answers as 90 % quantiles, if asked for: too low costs nine times too high",
}
QUANTILES = {"pinball_10": 0.1, "pinball_90": 0.9}
Statistic = Callable[[np.ndarray], float]


def rmse(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """Root mean squared error of (N,) or (N, targets)."""
    squares = ((said - truth) ** 2).reshape(len(truth), -1).mean(1)
    return lambda index: float(np.sqrt(squares[index].mean())) if len(index) else math.nan


def mae(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): absolute error, mean over targets."""
    return np.asarray(np.abs(said - truth).reshape(len(truth), -1).mean(1))


def median_error(said: np.ndarray, truth: np.ndarray) -> Statistic:
    """Median over rows of the absolute error, mean over targets."""
    gaps = np.abs(said - truth).reshape(len(truth), -1)
    return lambda index: float(np.median(gaps[index], axis=0).mean()) if len(index) else math.nan


def mape(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,): absolute error over the absolute truth, mean over targets. No truth may be 0."""
    return np.asarray(np.abs((said - truth) / truth).reshape(len(truth), -1).mean(1))


def pinball(said: np.ndarray, truth: np.ndarray, quantile: float) -> np.ndarray:
    """(N,): q (y - ŷ) where the truth is above, (1 - q) (ŷ - y) where it is below (Koenker & Bassett 1978)."""
    gap = truth - said
    loss = np.maximum(quantile * gap, (quantile - 1) * gap)
    return np.asarray(loss.reshape(len(truth), -1).mean(1))


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
