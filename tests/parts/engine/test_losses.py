"""Every loss against numbers worked out by hand, or counted; the named ones for classes and for marks."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor, tensor
from torch.nn import functional

from feilun.core.recipe import Train
from feilun.core.task import Task
from feilun.parts.engine import losses

EXACT = {"rel": 1e-6, "abs": 1e-7}  # float32 against float64 written by hand
LOGITS = tensor([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3]]).log()  # their softmax is what stands here
CLASSES = tensor([0, 2])
MARKS = tensor([[1.0, 0.0, 1.0]])
CHANCES = tensor([[0.8, 0.1, 0.9]]).logit()  # their sigmoid is what stands here


def numbers(loss: losses.Loss, said: Tensor, target: Tensor) -> list[float]:
    """One value a row, (B,)."""
    made = loss(said, target)
    assert made.shape == (len(said),)
    return made.tolist()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.squared, [(0.25 + 9) / 2, 0.0]),
        (losses.absolute, [(0.5 + 3) / 2, 0.0]),
        (losses.huber, [(0.125 + 2.5) / 2, 0.0]),  # e²/2 up to 1, |e| - 1/2 beyond
    ],
)
def test_losses_of_numbers(loss: losses.Loss, expected: list[float]) -> None:
    said, target = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[0.5, 5.0], [3.0, 4.0]])
    assert numbers(loss, said, target) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.cross_entropy, [-math.log(0.7), -math.log(0.3)]),
        # 0.9 of the label and 0.1 spread over all three: 0.9333, 0.0333, 0.0333
        (
            partial(losses.cross_entropy, smoothing=0.1),
            [
                -(0.9 + 0.1 / 3) * math.log(0.7) - 0.1 / 3 * math.log(0.2 * 0.1),
                -(0.9 + 0.1 / 3) * math.log(0.3) - 0.1 / 3 * math.log(0.2 * 0.5),
            ],
        ),
        (losses.focal, [-(0.3**2) * math.log(0.7), -(0.7**2) * math.log(0.3)]),
        (losses.generalised_cross_entropy, [(1 - 0.7**0.7) / 0.7, (1 - 0.3**0.7) / 0.7]),
        (losses.hinge, [max(0, 1 + math.log(0.2 / 0.7)), 1 + math.log(0.5 / 0.3)]),
        (losses.perceptron, [0.0, math.log(0.5 / 0.3)]),
    ],
)
def test_losses_of_a_class(loss: losses.Loss, expected: list[float]) -> None:
    assert numbers(loss, LOGITS, CLASSES) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (losses.binary, 0.1446),  # y = [1, 0, 1], ŷ = [.8, .1, .9]: printed 0.2231, see docs/theory.md
        (losses.cross_entropy, 0.1446),
        (
            partial(losses.binary, smoothing=0.2),  # marks 0.9, 0.1, 0.9
            -(0.9 * math.log(0.8) + 0.1 * math.log(0.2) + 2 * (0.9 * math.log(0.9) + 0.1 * math.log(0.1))) / 3,
        ),
        (losses.focal, -(0.04 * math.log(0.8) + 2 * 0.01 * math.log(0.9)) / 3),
        (losses.generalised_cross_entropy, (1 - 0.8**0.7 + 2 * (1 - 0.9**0.7)) / 0.7 / 3),
        (losses.hinge, 0.0),
        (losses.perceptron, 0.0),
    ],
)
def test_losses_of_marks(loss: losses.Loss, expected: float) -> None:
    assert numbers(loss, CHANCES, MARKS) == pytest.approx([expected], rel=1e-6, abs=5e-5)


def test_the_hinge_of_marks_is_that_of_plus_and_minus_one() -> None:
    said, marks = tensor([[0.4, -2.0, 0.3, -0.2]]), tensor([[1.0, 0.0, 0.0, 1.0]])
    assert numbers(losses.hinge, said, marks) == pytest.approx([(0.6 + 0 + 1.3 + 1.2) / 4], **EXACT)
    assert numbers(losses.perceptron, said, marks) == pytest.approx([(0 + 0 + 0.3 + 0.2) / 4], **EXACT)


def test_binary_of_a_class_is_it_against_each_other() -> None:
    marks = functional.one_hot(CLASSES, 3).float()
    assert numbers(losses.binary, LOGITS, CLASSES) == numbers(losses.binary, LOGITS, marks)


@pytest.mark.parametrize("name", list(losses.NAMED))
def test_gradients_are_those_of_small_differences(name: str) -> None:
    said = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    marks = tensor([[0.0, 1, 0, 1]] * 5, dtype=torch.float64)
    targets = [marks] if name in ("squared", "absolute", "huber") else [marks, tensor([0, 3, 1, 1, 2])]
    for target in targets:
        assert torch.autograd.gradcheck(lambda x, target=target: losses.NAMED[name](x, target), said)


@pytest.mark.parametrize("name", list(losses.NAMED))
@pytest.mark.parametrize("size", [0.0, 1e4, -1e4])
def test_losses_and_gradients_of_wild_answers_are_finite(name: str, size: float) -> None:
    for target in [tensor([1, 0]), tensor([[1.0, 0.0, 1.0]] * 2)]:
        if name in ("squared", "absolute", "huber") and not target.is_floating_point():
            continue
        said = tensor([[size, -size, 0.0]] * 2, requires_grad=True)
        made = losses.named(name, Train(focusing=0.5))(said, target).sum()
        made.backward()
        assert made.isfinite() and said.grad is not None and bool(said.grad.isfinite().all())


def test_members_of_one_network_learn_each_on_its_own() -> None:
    said, target = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0)), tensor([0, 1, 4, 2])
    for name in ("cross_entropy", "hinge", "focal"):
        each = torch.stack([losses.NAMED[name](said[:, place], target) for place in range(3)])
        torch.testing.assert_close(losses.by_row(losses.NAMED[name], said, target), each.mean(0))


def test_the_plan_says_how_far_to_smooth_and_to_focus() -> None:
    plan = Train(label_smoothing=0.1, focusing=0.0)
    smooth = losses.cross_entropy(LOGITS, CLASSES, 0.1)
    assert torch.equal(losses.named("cross_entropy", plan)(LOGITS, CLASSES), smooth)
    plain = losses.cross_entropy(LOGITS, CLASSES)
    torch.testing.assert_close(losses.named("focal", plan)(LOGITS, CLASSES), plain)  # nothing is focused
    assert losses.named("hinge", plan) is losses.hinge


def test_triplet() -> None:
    anchor, same, other = tensor([[0.0, 0.0]] * 2), tensor([[0.0, 1.0]] * 2), tensor([[1.0, 0.5], [3.0, 0.0]])
    assert losses.triplet(anchor, same, other, margin=0.5).tolist() == pytest.approx([1 - 1.25 + 0.5, 0.0], **EXACT)


def test_ctc_is_the_sum_over_all_alignments() -> None:
    logits = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    chances = logits.double().softmax(2)
    wanted, steps = [[1, 2], [2]], [4, 3]

    def read(path: tuple[int, ...]) -> list[int]:
        return [symbol for symbol, _ in itertools.groupby(path) if symbol]

    expected = [
        -math.log(
            sum(
                math.prod(float(chances[row, step, symbol]) for step, symbol in enumerate(path))
                for path in itertools.product(range(3), repeat=steps[row])
                if read(path) == wanted[row]
            )
        )
        for row in range(2)
    ]
    made = losses.ctc(logits, tensor([[1, 2], [2, 0]]), tensor(steps), tensor([2, 1]))
    assert made.tolist() == pytest.approx(expected, rel=1e-5)
    assert losses.ctc(logits[:, :1], tensor([[1, 2], [2, 0]]), tensor([1, 1]), tensor([2, 1]))[0] == 0


def test_every_name_that_a_task_accepts_is_a_loss() -> None:
    from feilun.core import discover

    tasks: list[Task] = [discover.task(name) for name in discover.names("tasks")]
    named = {name for task in tasks for name in task.losses}
    assert named == set(losses.NAMED)
