"""Starts by name: the variances of their papers, right angles, and what is left alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from feilun.parts.engine import initialisation
from feilun.parts.engine.randomness import initialised

TOLERANCE = 0.05  # of a variance over 30,000 weights and more: its standard error is under 1 %
LAYERS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {  # inputs and outputs of a unit
    "linear": (lambda: nn.Linear(300, 100), 300, 100),
    "kernels": (lambda: nn.Conv2d(32, 64, 5), 32 * 25, 64 * 25),
    "kernels the other way": (lambda: nn.ConvTranspose2d(32, 64, 5), 32 * 25, 64 * 25),
    "kernels in groups": (lambda: nn.Conv1d(128, 512, 3, groups=4), 32 * 3, 512 * 3),
    "gates": (lambda: nn.GRU(200, 100, bidirectional=True), 200, 100),
}


def started(way: str, layer: nn.Module, seed: int = 0) -> Tensor:
    """The first weight after the start."""
    with initialised(seed):
        initialisation.start({"main": layer}, way)
    return next(parameter for name, parameter in layer.named_parameters() if "weight" in name).detach()


@pytest.mark.parametrize("named", LAYERS)
@pytest.mark.parametrize("way", ["random", "gaussian", "xavier", "he"])
def test_variances_are_those_of_the_papers(way: str, named: str) -> None:
    layer, inputs, outputs = LAYERS[named]
    weight = started(way, layer())
    variances = {"random": 0.05**2 / 3, "gaussian": 0.05**2, "xavier": 2 / (inputs + outputs), "he": 2 / inputs}
    assert weight.var().item() == pytest.approx(variances[way], rel=TOLERANCE)
    assert abs(weight.mean().item()) < 5 * math.sqrt(variances[way] / weight.numel())  # five standard errors
    if way in ("random", "xavier"):
        assert weight.abs().max().item() <= math.sqrt(3 * variances[way])


@pytest.mark.parametrize(("layer", "high"), [(nn.Linear(20, 7), 7), (nn.Linear(7, 20), 20), (nn.Conv2d(3, 8, 3), 8)])
def test_orthogonal_has_right_angles(layer: nn.Module, high: int) -> None:
    matrix = started("orthogonal", layer).reshape(high, -1)
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    torch.testing.assert_close(wide @ wide.T, torch.eye(len(wide)), atol=1e-5, rtol=0)


def test_every_gate_is_orthogonal_and_the_forget_gate_stays_open() -> None:
    layer = nn.LSTM(5, 8)
    nn.init.ones_(layer.get_parameter("bias_ih_l0"))
    started("orthogonal", layer)
    for gate in layer.get_parameter("weight_hh_l0").detach().split(8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    assert (layer.get_parameter("bias_ih_l0") == 1).all()


def test_norms_and_fixed_positions_are_left_alone_and_biases_are_0() -> None:
    places = nn.Embedding(4, 6)
    places.weight.requires_grad_(False)
    network = nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Conv1d(6, 6, 1), nn.BatchNorm1d(6), places)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    started("he", network)
    after = network.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == set(before) - {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert not after["0.bias"].any() and not after["2.bias"].any()


@pytest.mark.parametrize(("way", "changed"), [("gaussian", True), ("he", False), ("orthogonal", False)])
def test_vectors_have_no_inputs_to_keep_a_variance_of(way: str, *, changed: bool) -> None:
    table = nn.Embedding(50, 8, padding_idx=0)
    before = table.weight.detach().clone()
    started(way, table)
    assert torch.equal(before, table.weight.detach()) is not changed
    assert not table.weight[0].any()


def test_the_seed_decides() -> None:
    one, same, other = (started("he", nn.Linear(4, 4), seed) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_every_way_of_the_recipe_is_there() -> None:
    from feilun.core import hints

    key = hints.find_key("train.initialisation")
    assert key is not None and key.expects.split(" | ") == ["default", *initialisation.WAYS]
