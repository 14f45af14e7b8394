"""Matching cells to boxes inside the loss, and the loss itself."""

import pytest
import torch

from feilun.parts.models import detector


def made(labels=2, side=4, rows=1):
    generator = torch.Generator().manual_seed(0)
    heat = torch.randn(rows, labels, side, side, generator=generator)
    corner = torch.rand(rows, 2, side, side, generator=generator) * 0.5
    return {"heat": heat.requires_grad_(), "box": torch.cat([corner, corner + 0.3], 1).requires_grad_()}


def test_the_smallest_box_wins_a_cell_and_each_box_has_one():
    boxes = torch.tensor([[[0, 0.0, 0.0, 1.0, 1.0], [1, 0.26, 0.26, 0.5, 0.5], [1, 0.9, 0.9, 0.99, 0.99]]])
    owner, owned = detector._match((4, 4), boxes, torch.tensor([3]))
    grid = torch.where(owned, owner, -1).reshape(4, 4).tolist()
    # Rows from the top. Box 0 learns in its middle; box 1 has the cell of its centre, box 2 too, though tiny.
    assert grid == [[-1, -1, -1, -1], [-1, 1, 0, -1], [-1, 0, 0, -1], [-1, -1, -1, 2]]


def test_padding_is_no_box():
    boxes = torch.tensor([[[0, 0.0, 0.0, 1.0, 1.0], [1, 0.0, 0.0, 0.5, 0.5]]])
    owner, owned = detector._match((4, 4), boxes, torch.tensor([1]))
    assert not owner[owned].any()
    assert not detector._match((4, 4), boxes, torch.tensor([0]))[1].any()


def test_loss_per_picture_does_not_depend_on_its_neighbours():
    boxes = torch.tensor(
        [[[0, 0.1, 0.1, 0.6, 0.6], [1, 0.5, 0.5, 0.9, 0.9]], [[1, 0.2, 0.3, 0.7, 0.8], [0, 0, 0, 0, 0]]]
    )
    both = made(rows=2)
    together = detector.loss(both, boxes, torch.tensor([2, 1]))
    alone = detector.loss({key: value[1:] for key, value in both.items()}, boxes[1:, :1], torch.tensor([1]))
    assert together.shape == (2,)
    torch.testing.assert_close(together[1:], alone)


def test_a_picture_without_boxes_has_a_finite_loss_and_gradient():
    one = made()
    detector.loss(one, torch.zeros(1, 1, 5), torch.tensor([0])).sum().backward()
    assert one["heat"].grad.isfinite().all() and one["heat"].grad.any()
    assert one["box"].grad is None or not one["box"].grad.any()


def test_generalised_overlap_by_hand():
    first = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1]])
    second = torch.tensor([[1.0, 1, 3, 3], [2, 0, 3, 1]])
    # 1/7 less the two empty ninths of the hull; then no overlap and a third of the hull between them.
    assert detector._overlap(first, second).tolist() == pytest.approx([1 / 7 - 2 / 9, -1 / 3])


def test_a_perfect_answer_loses_almost_nothing():
    boxes = torch.tensor([[[1, 0.25, 0.25, 0.75, 0.75]]])
    _, owned = detector._match((4, 4), boxes, torch.tensor([1]))
    heat = torch.full((1, 2, 16), -12.0)
    heat[:, 1][owned] = 12.0
    box = boxes[0, 0, 1:][None, :, None].expand(1, 4, 16)
    perfect = {"heat": heat.reshape(1, 2, 4, 4), "box": box.reshape(1, 4, 4, 4)}
    assert float(detector.loss(perfect, boxes, torch.tensor([1]))) < 1e-4
