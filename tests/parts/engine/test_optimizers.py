"""One and two updates of each rule against the formula of its paper, penalties, and the learning rate's values."""

from __future__ import annotations

import math

import pytest
import torch

from feilun.core.recipe import Train
from feilun.parts.engine import optimizers
from feilun.parts.engine.schedule import learning_rate

WEIGHTS = torch.tensor([[1.0, -2.0]], dtype=torch.float32)
FIRST, SECOND = torch.tensor([[0.5, -0.25]]), torch.tensor([[-1.0, 2.0]])
CLOSE = {"rtol": 1e-6, "atol": 1e-7}  # float32 arithmetic in another order


def updated(plan: Train, start: torch.Tensor = WEIGHTS) -> list[torch.Tensor]:
    """The weights after one and after two updates with the gradients FIRST and SECOND."""
    weight = torch.nn.Parameter(start.clone())
    [optimizer] = optimizers.make(plan, [weight])
    seen = []
    for gradient in (FIRST, SECOND):
        weight.grad = gradient.clone()
        optimizer.step()
        seen.append(weight.detach().clone())
    return seen


def test_sgd() -> None:
    one, two = updated(Train(optimizer="sgd", learning_rate=0.1))
    torch.testing.assert_close(one, WEIGHTS - 0.1 * FIRST, **CLOSE)
    torch.testing.assert_close(two, one - 0.1 * SECOND, **CLOSE)


def test_momentum_is_the_classical_form() -> None:
    one, two = updated(Train(optimizer="momentum", learning_rate=0.1, momentum=0.8))
    torch.testing.assert_close(one, WEIGHTS - 0.1 * FIRST, **CLOSE)  # not 0.1 * (1 - 0.8)
    torch.testing.assert_close(two, one - 0.1 * (0.8 * FIRST + SECOND), **CLOSE)


def test_nesterov_looks_ahead() -> None:
    one, two = updated(Train(optimizer="nesterov", learning_rate=0.1, momentum=0.8))
    torch.testing.assert_close(one, WEIGHTS - 0.1 * (FIRST + 0.8 * FIRST), **CLOSE)
    velocity = 0.8 * FIRST + SECOND
    torch.testing.assert_close(two, one - 0.1 * (SECOND + 0.8 * velocity), **CLOSE)


def test_adagrad_sums_the_squares() -> None:
    one, two = updated(Train(optimizer="adagrad", learning_rate=0.1))
    torch.testing.assert_close(one, WEIGHTS - 0.1 * FIRST / (FIRST.abs() + 1e-8), **CLOSE)
    square = FIRST**2 + SECOND**2
    torch.testing.assert_close(two, one - 0.1 * SECOND / (square.sqrt() + 1e-8), **CLOSE)


@pytest.mark.parametrize("halves", [True, False], ids=["bf16", "fp32"])
def test_muon_steps_along_the_nearest_orthogonal_matrix(monkeypatch: pytest.MonkeyPatch, halves: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": halves}, raising=False)
    start = torch.linspace(-1, 1, 12).reshape(3, 4)
    gradient = torch.tensor([[1.0, 0.2, 0.0, 0.1], [0.0, 2.0, 0.3, 0.0], [0.5, 0.0, 1.5, 0.2]])
    weight = torch.nn.Parameter(start.clone())
    plan = Train(optimizer="muon", learning_rate=0.1, weight_decay=0.5, momentum=0.9)
    [optimizer] = optimizers.make(plan, [weight])
    weight.grad = gradient.clone()
    optimizer.step()
    step = (start * (1 - 0.1 * 0.5) - weight.detach()) / (0.1 * 0.2 * math.sqrt(4))
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    # five Newton-Schulz steps end with singular values from 0.7 to 1.2 (Jordan et al. 2024), the directions are exact
    within = left.T @ step @ right.T
    assert torch.all((within.diagonal() > 0.65) & (within.diagonal() < 1.25))
    assert (within - torch.diag(within.diagonal())).abs().max() < 0.02  # bfloat16


def test_muon_without_bf16_makes_the_steps_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(shape, generator=drawn) for shape in ((5, 3), (3, 4), (4, 4))] for _ in range(3)]
    found = []
    for halves in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda halves=halves: {"amx_bf16": halves}, raising=False)
        weights = [torch.nn.Parameter(torch.ones(one.shape)) for one in gradients[0]]
        [optimizer] = optimizers.make(Train(optimizer="muon", learning_rate=0.1, weight_decay=0.5), weights)
        for some in gradients:
            for weight, gradient in zip(weights, some, strict=True):
                weight.grad = gradient
            optimizer.step()
        found.append((type(optimizer).__name__, [weight.detach() for weight in weights], optimizer.state_dict()))
    (name, torchs, state), (ours, made, kept) = found
    assert (name, ours) == ("Muon", "WholeMuon")
    for one, other in zip(torchs, made, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)  # bfloat16
    for number, one in state["state"].items():
        torch.testing.assert_close(one["momentum_buffer"], kept["state"][number]["momentum_buffer"], **CLOSE)


def test_muon_leaves_biases_kernels_and_embeddings_to_adamw() -> None:
    network = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3))
    muon, adamw = optimizers.make(Train(optimizer="muon"), list(network.parameters()), {id(network[0].weight)})
    assert [id(one) for one in muon.param_groups[0]["params"]] == [id(network[1].weight)]
    rest = {id(one) for group in adamw.param_groups for one in group["params"]}
    assert rest == {id(network[0].weight), id(network[1].bias)}


def test_rmsprop_updates_the_mean_square_first() -> None:
    one, two = updated(Train(optimizer="rmsprop", learning_rate=0.1))
    square = 0.1 * FIRST**2
    torch.testing.assert_close(one, WEIGHTS - 0.1 * FIRST / (square.sqrt() + 1e-8), **CLOSE)
    square = 0.9 * square + 0.1 * SECOND**2
    torch.testing.assert_close(two, one - 0.1 * SECOND / (square.sqrt() + 1e-8), **CLOSE)


def by_adam(start: torch.Tensor, shrink: float) -> list[torch.Tensor]:
    """Kingma & Ba 2015, algorithm 1; shrink: the decoupled decay of a step."""
    weight, first, second, seen = start.clone(), torch.zeros_like(start), torch.zeros_like(start), []
    for step, gradient in enumerate((FIRST, SECOND), 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weight = weight * (1 - shrink) - 0.1 * mean / (square.sqrt() + 1e-8)
        seen.append(weight)
    return seen


def test_adam_is_bias_corrected() -> None:
    seen = updated(Train(optimizer="adam", learning_rate=0.1))
    for got, expected in zip(seen, by_adam(WEIGHTS, 0.0), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    # the corrected first step is the learning rate long, whatever the gradient; uncorrected it is 3.16 times that
    torch.testing.assert_close((WEIGHTS - seen[0]).abs(), torch.full_like(WEIGHTS, 0.1), rtol=1e-5, atol=0)


def test_adamw_decays_weights_but_not_biases() -> None:
    plan = Train(optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    for got, expected in zip(updated(plan), by_adam(WEIGHTS, 0.05), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    bias = torch.nn.Parameter(torch.tensor([1.0]))
    bias.grad = torch.zeros(1)
    [optimizer] = optimizers.make(plan, [bias])
    optimizer.step()
    assert bias.item() == 1.0


def test_penalties_add_the_gradient_of_l1_and_half_l2() -> None:
    weight = torch.nn.Parameter(torch.tensor([[2.0, -3.0, 0.0]]))
    weight.grad = torch.ones(1, 3)
    optimizers.add_penalties([weight], l1=0.1, l2=0.01)
    torch.testing.assert_close(weight.grad, torch.tensor([[1 + 0.1 + 0.02, 1 - 0.1 - 0.03, 1.0]]), **CLOSE)


def test_penalties_spare_biases() -> None:
    linear = torch.nn.Linear(3, 2)
    assert optimizers.weights(list(linear.parameters())) == [linear.weight]


@pytest.mark.parametrize(
    ("decay", "floor", "expected"),
    [
        ("none", 0.0, [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", 0.0, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("linear", 0.2, [0.5, 1.0, 1.0, 0.8, 0.6, 0.4]),
        ("cosine", 0.0, [0.5, 1.0, 1.0, 0.5 + math.sqrt(2) / 4, 0.5, 0.5 - math.sqrt(2) / 4]),
    ],
)
def test_learning_rate(decay: str, floor: float, expected: list[float]) -> None:
    plan = Train(learning_rate=1.0, warmup=0.34, decay=decay, floor=floor)
    assert [learning_rate(plan, step, 6) for step in range(6)] == pytest.approx(expected)
