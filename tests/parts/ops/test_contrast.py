"""The contrastive loss, by hand and by the formula of its paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import tensor

from feilun.parts.ops.contrast import contrastive


def test_contrastive_of_two_rows_by_hand() -> None:
    """Views a, b and their partners a', b' on the circle; each finds its partner among the three others."""
    degrees = {"a": 0.0, "b": 90.0, "a'": 60.0, "b'": 90.0}
    views = {name: (math.cos(math.radians(d)), math.sin(math.radians(d))) for name, d in degrees.items()}

    def lost(name: str, partner: str) -> float:
        others = [other for other in views if other != name]
        like = {o: math.cos(math.radians(degrees[name] - degrees[o])) / 0.5 for o in others}
        return -like[partner] + math.log(sum(math.exp(value) for value in like.values()))

    one, other = tensor([views["a"], views["b"]]) * 3, tensor([views["a'"], views["b'"]])  # lengths do not count
    expected = [(lost("a", "a'") + lost("a'", "a")) / 2, (lost("b", "b'") + lost("b'", "b")) / 2]
    assert contrastive(one, other, temperature=0.5).tolist() == pytest.approx(expected, rel=1e-5)


def test_contrastive_is_the_loss_of_the_paper() -> None:
    """-log of exp(s(i, j)/t) over the sum of exp(s(i, k)/t) for k != i, both directions, s the cosine."""
    given = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    unit = (given / given.norm(dim=1, keepdim=True)).double().numpy()
    expected = []
    for row in range(3):
        both = []
        for here, there in ((row, row + 3), (row + 3, row)):
            alike = np.exp(unit @ unit[here] / 0.5)
            both.append(-np.log(alike[there] / (alike.sum() - alike[here])))
        expected.append(np.mean(both))
    made = contrastive(*given.chunk(2), temperature=0.5)
    assert np.allclose(made.numpy(), expected, atol=1e-5)  # float32 against float64
