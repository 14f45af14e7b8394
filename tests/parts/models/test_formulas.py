"""Networks compute what the papers say: worked numbers, pooling, gates, where weights start."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from feilun.parts.models import initial, mlp, recurrent, stems, transformer


def test_a_worked_sigmoid_network() -> None:
    """x = [1, 2] through two sigmoid layers; popular texts print h = [.86, .92], y = [.67, .76]."""
    layers = mlp.Layers(mlp.Mlp(width=2, depth=2, activation="sigmoid", dropout=0.0), 2)
    first, _, second, _ = layers.layers
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[0.5, 0.2], [0.1, 0.3]]))
        first.bias.copy_(torch.tensor([0.1, 0.2]))
        second.weight.copy_(torch.tensor([[0.4, 0.6], [0.1, 0.5]]))
        second.bias.copy_(torch.tensor([0.3, 0.4]))
        x = torch.tensor([[1.0, 2.0]])
        assert torch.allclose(first(x), torch.tensor([[1.0, 0.9]]))
        assert torch.allclose(torch.sigmoid(first(x)), torch.tensor([[0.7311, 0.7110]]), atol=1e-4)
        assert torch.allclose(layers(x), torch.tensor([[0.7348, 0.6961]]), atol=1e-4)


def test_a_worked_step_of_a_relu_network() -> None:
    """Both output weights sit on one unit: z1 .8, ŷ 1.32, loss 1.7424; popular texts print .7, 1.4, 1.96."""
    x = torch.tensor([1.0, 2.0])
    weight, bias = torch.tensor([0.1, 0.2], requires_grad=True), torch.tensor(0.3, requires_grad=True)
    out, last = torch.tensor([0.4, 0.5], requires_grad=True), torch.tensor(0.6, requires_grad=True)
    hidden = torch.relu(weight @ x + bias)
    answer = out.sum() * hidden + last
    assert (hidden.item(), answer.item()) == pytest.approx((0.8, 1.32))
    assert (answer**2).item() == pytest.approx(1.7424)
    (answer**2 / 2).backward()  # their rule: the error itself is passed back, so half the square
    stepped = [float(x) for p in (weight, bias, out, last) for x in (p - 0.01 * p.grad).detach().reshape(-1)]
    assert stepped == pytest.approx([0.08812, 0.17624, 0.28812, 0.38944, 0.48944, 0.5868], abs=1e-6)


def test_average_pooling_divides_by_the_area() -> None:
    assert nn.AvgPool2d(2)(torch.tensor([[[[1.0, 2], [3, 6]]]])).item() == 3.0


def test_the_gru_is_that_of_cho_2014() -> None:
    """Candidate tanh(W x + U (r ⊙ h)): PyTorch puts the reset gate behind U's bias, equal while that bias is 0."""
    cell = recurrent._started(nn.GRU(2, 3, batch_first=True))
    x, h = torch.randn(1, 1, 2), torch.randn(1, 1, 3)
    w_r, w_z, w_n = cell.weight_ih_l0.split(3)
    u_r, u_z, u_n = cell.weight_hh_l0.split(3)
    reset, keep = torch.sigmoid(x @ w_r.T + h @ u_r.T), torch.sigmoid(x @ w_z.T + h @ u_z.T)
    candidate = torch.tanh(x @ w_n.T + reset * (h @ u_n.T))
    assert torch.allclose(cell(x, h)[0], (1 - keep) * candidate + keep * h, atol=1e-6)


def test_an_lstm_starts_with_an_open_forget_gate_and_orthogonal_states() -> None:
    cell = recurrent._started(nn.LSTM(4, 5))
    assert torch.equal(cell.bias_ih_l0, torch.tensor([0.0] * 5 + [1.0] * 5 + [0.0] * 10))
    gate = cell.weight_hh_l0[:5]
    assert torch.allclose(gate @ gate.T, torch.eye(5), atol=1e-5)


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 400), ("tanh", 25 / 9 * 2 / (400 + 300))])
def test_weights_start_with_the_variance_of_the_paper(activation: str, variance: float) -> None:
    """He 2015: 2 / inputs. Glorot 2010: gain² 2 / (inputs + outputs). 120,000 draws: the variance to 2 %."""
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initial.start(layer, activation)
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not layer.bias.any()


def test_a_relu_stack_keeps_the_size_of_its_signal() -> None:
    torch.manual_seed(0)
    layers = mlp.Layers(mlp.Mlp(width=512, depth=10, dropout=0.0), 512).eval()
    with torch.no_grad():
        ratio = layers(torch.randn(256, 512)).square().mean().item()
    assert 0.3 < ratio < 3  # without He's factor it would be about 2⁻¹⁰


def test_attention_by_hand() -> None:
    torch.manual_seed(0)
    attention = transformer.Attention(4, 2)
    state, hidden = torch.randn(1, 3, 4), torch.tensor([[[[0.0, 0.0, -1e9]]]])
    query, key, value = attention.query_key_value(state)[0].split(4, dim=1)
    heads = []
    for head in (slice(0, 2), slice(2, 4)):
        weights = (query[:, head] @ key[:2, head].T / math.sqrt(2)).softmax(1)  # the third token is padding
        heads.append(weights @ value[:2, head])
    assert torch.allclose(attention(state, hidden)[0], attention.join(torch.cat(heads, 1)), atol=1e-6)


def test_one_hot_up_to_64_values_then_vectors() -> None:
    encoder = stems.plain(_Category((3, 100)), one_hot=True)
    made = encoder(torch.tensor([[2, 5]]))
    assert made.shape == (1, 3 + stems.LINEAR_WIDTH) and made[0, :3].tolist() == [0, 0, 1]


class _Category:
    kind, columns = "category", ("a", "b")

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.sizes = sizes
