"""Scores of numbers against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as known

from feilun.parts.metrics import drawings
from feilun.parts.metrics import regression as ours

DRAW = np.random.default_rng(5)
TRUTH = DRAW.normal(10, 3, 101)
SAID = TRUTH + DRAW.normal(0, 2, 101)
ALL = np.arange(101)
CLOSE = 1e-12  # float64 sums of a hundred terms


def test_errors_equal_scikit_learn() -> None:
    assert ours.median_error(SAID, TRUTH)(ALL) == pytest.approx(known.median_absolute_error(TRUTH, SAID), abs=CLOSE)
    assert ours.mape(SAID, TRUTH).mean() == pytest.approx(known.mean_absolute_percentage_error(TRUTH, SAID), abs=CLOSE)
    for quantile in (0.1, 0.5, 0.9):
        theirs = known.mean_pinball_loss(TRUTH, SAID, alpha=quantile)
        assert ours.pinball(SAID, TRUTH, quantile).mean() == pytest.approx(theirs, abs=CLOSE)


def test_several_targets_are_averaged() -> None:
    said, truth = np.stack([SAID, TRUTH], 1), np.stack([TRUTH, TRUTH], 1)
    assert ours.median_error(said, truth)(ALL) == pytest.approx(known.median_absolute_error(truth, said), abs=CLOSE)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e5, 1e9])
def test_numbers_on_the_axis_have_room(scale: float) -> None:
    svg = drawings.residuals(SAID * scale * 1.2345, TRUTH * scale * 1.2345, "price").svg
    ends = [part.split("<")[0] for part in svg.split('text-anchor="end">')[1:]]
    assert len(ends) == 3 and max(map(len, ends)) <= 7, ends  # 64 pixels hold seven signs
