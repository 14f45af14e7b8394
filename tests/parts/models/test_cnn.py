"""The CNN takes convolution, pooling and ReLU in one step only where nobody would notice but by the clock."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.models import cnn
from feilun.parts.ops import fused_convolution

CLAIMED = {"width": 32, "depth": 1, "norm": "none", "padding": 0, "hidden": 128, "dropout": 0.0}


def _steps(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What is given to the one step."""
    seen: list[Tensor] = []

    def watched(pictures: Tensor, *rest: Tensor, **options: Any) -> Tensor:
        seen.append(pictures)
        return fused_convolution.plain(pictures, rest[0], rest[1], **options)

    monkeypatch.setattr(fused_convolution, "convolved", watched)
    return seen


def _encoder(shape: tuple[int, int, int] = (1, 28, 28), **options: Any) -> cnn.Encoder:
    torch.default_generator.manual_seed(0)
    return cnn.Encoder(cnn.Cnn(**options), shape)


def test_the_cnn_of_the_first_programs_has_their_sizes() -> None:
    made = _encoder(**CLAIMED)
    sizes = [tuple(weight.shape) for weight in made.parameters()]
    assert sizes == [(32, 1, 3, 3), (32,), (128, 5408), (128,)]
    assert made.width == 128
    assert made(torch.rand(2, 1, 28, 28)).shape == (2, 128)


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_one_step_or_three_are_the_same(pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _encoder(**{**CLAIMED, "depth": 2, "padding": 1, "pooling": pooling})
    pictures = torch.rand(5, 1, 28, 28)
    with torch.no_grad():
        whole = made(pictures)
        apart = made.dense(nn.Sequential(*made.layers)(pictures).flatten(1))
    assert torch.allclose(whole, apart, atol=1e-5)  # sums in another order
    seen = _steps(monkeypatch)
    made(pictures)
    assert len(seen) == 1, "the first block reads one channel, the second 32, which torch is better at"


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_norm_in_between_is_not_left_out(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _steps(monkeypatch)
    _encoder(norm=norm, width=8)(torch.rand(2, 1, 28, 28))
    assert not seen


def test_who_looks_between_sees_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    made, hooked = _encoder(**CLAIMED), list[torch.Size]()
    seen = _steps(monkeypatch)
    handle = made.layers[0].register_forward_hook(lambda module, given, maps: hooked.append(maps.shape))
    made(torch.rand(2, 1, 28, 28))
    assert hooked == [(2, 32, 26, 26)] and not seen
    handle.remove()
    made(torch.rand(2, 1, 28, 28))
    assert len(hooked) == 1 and len(seen) == 1


def test_a_layer_that_was_replaced_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _encoder(**CLAIMED)
    seen = _steps(monkeypatch)
    torch.nn.utils.parametrize.register_parametrization(made.layers[0], "weight", nn.Tanh())
    made(torch.rand(2, 1, 28, 28))
    assert not seen


def test_pictures_too_small_for_no_padding_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"Nothing is left of a picture of 5 x 9 after 3 blocks"):
        _encoder((1, 5, 9), padding=0)
