"""Stochastic depth: whole rows, the right share of them, the mean kept, nothing in evaluation."""

from __future__ import annotations

import pytest
import torch

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.parts.models import depth, transformer

TEXTS = discover.feature("text", columns=("t",), tokens="characters").fit({"t": ["abc", "bcd", "cde"]})


def test_a_row_goes_around_as_a_whole_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    layer = depth.DropPath(0.3)
    made = layer(torch.ones(20_000, 3, 2))
    each = made.flatten(1)
    assert (each == each[:, :1]).all()
    assert sorted(set(each[:, 0].tolist())) == pytest.approx([0.0, 1 / 0.7])
    assert (each[:, 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)  # six standard errors
    assert torch.equal(layer.eval()(made), made)


def test_deeper_layers_are_left_out_more_often() -> None:
    assert depth.rising(0.3, 3) == pytest.approx([0.1, 0.2, 0.3])
    encoder = transformer.encoder(transformer.Transformer(width=8, heads=2, depth=4, drop_path=0.4), TEXTS)
    shares = [layer.drop_path.share for layer in encoder.layers]  # type: ignore[union-attr]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_transformer_whose_parts_are_left_out_hands_its_tokens_on() -> None:
    torch.manual_seed(0)
    options = transformer.Transformer(width=8, heads=2, depth=1, dropout=0.0)
    layer, state = transformer.Layer(options, 0.5), torch.randn(64, 5, 8)
    made = layer(state, torch.zeros(64, 1, 1, 5))
    same = (made == state).flatten(1).all(1)
    assert 4 < int(same.sum()) < 30, "both parts of a row are left out one time in four"
    again = layer.eval()(state, torch.zeros(64, 1, 1, 5))
    assert not (again == state).flatten(1).all(1).any()


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(RecipeError, match=r"model\.drop_path"):
        transformer.encoder(transformer.Transformer(drop_path=share), TEXTS)


def test_it_is_no_family_of_models() -> None:
    assert "depth" not in discover.names("models")
