"""Taggers: the forward algorithm and the best path against every sequence there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from feilun.parts.models import tagger
from feilun.parts.ops.best_path import best_path


@pytest.mark.parametrize("length", [1, 2, 4])
def test_sums_and_best_paths_are_those_of_all_sequences(length: int) -> None:
    draw = torch.Generator().manual_seed(length)
    logits, follows = torch.randn(1, 5, 3, generator=draw), torch.randn(1, 4, 3, generator=draw)
    mask = (torch.arange(5) < length).float()[None]
    every = [torch.tensor([[*tags, *[0] * (5 - length)]]) for tags in itertools.product(range(3), repeat=length)]
    scores = torch.cat([tagger.scored(logits, follows, tags, mask) for tags in every])
    assert tagger.total(logits, follows, mask)[0] == pytest.approx(float(scores.logsumexp(0)), rel=1e-5)
    path, best = best_path(logits[0, :length].numpy(), follows[0].numpy(), np.zeros(3))
    assert path.tolist() == every[int(scores.argmax())][0, :length].tolist()
    assert best == pytest.approx(float(scores.max()), rel=1e-5)


def test_a_last_tag_that_must_not_be_is_not() -> None:
    scores = np.array([[5.0, 0.0], [5.0, 0.0]])
    path, _ = best_path(scores, np.zeros((3, 2)), np.array([-1e4, 0.0]))
    assert path.tolist() == [0, 1]
