"""A dense network whose layers have widths of their own."""

from __future__ import annotations

import pytest
import torch

from feilun.parts.models import mlp


@pytest.mark.parametrize(
    ("width", "depth", "shapes"), [([64, 32], 2, [(64, 9), (32, 64)]), (16, 2, [(16, 9), (16, 16)]), ([5], 3, [(5, 9)])]
)
def test_each_layer_has_its_width(width: int | list[int], depth: int, shapes: list[tuple[int, int]]) -> None:
    layers = mlp.Layers(mlp.Mlp(width=width, depth=depth), 9)
    assert [tuple(p.shape) for p in layers.parameters() if p.ndim == 2] == shapes
    assert layers(torch.zeros(3, 9)).shape == (3, layers.width) == (3, shapes[-1][0])
