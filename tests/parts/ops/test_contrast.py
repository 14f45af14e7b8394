"""The contrastive loss, by hand and by the formula of its paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import tensor

from feilun.parts.ops.contrast import contrastive, found, same


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


def test_what_is_right_is_looked_for_among_what_is_wrong_alone() -> None:
    """Two right ones, two wrong ones and one that counts for nothing; a row with nothing right has no loss."""
    likeness = tensor([[1.0, 2.0, 0.5, -1.0, 9.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    right = tensor([[True, True, False, False, False], [False] * 5])
    wrong = tensor([[False, False, True, True, False], [False] * 5])
    others = math.exp(0.5) + math.exp(-1)
    each = [-math.log(math.exp(one) / (math.exp(one) + others)) for one in (1.0, 2.0)]
    assert found(likeness, right, wrong).tolist() == pytest.approx([sum(each) / 2, 0.0], rel=1e-5)
    assert found(likeness[:1], right[:1], torch.zeros_like(wrong[:1])).tolist() == [0.0]  # nothing to be told from


def test_equal_rows_of_tokens_are_told_whatever_the_padding() -> None:
    short = same(tensor([[4, 7], [7, 4], [4, 0]]))
    wide = same(tensor([[4, 7, 0, 0], [7, 4, 0, 0], [4, 0, 0, 0]]))
    assert short.tolist() == wide.tolist()
    assert len(set(short.tolist())) == 3
