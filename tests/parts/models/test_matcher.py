"""The matcher's loss in its three forms, and rows that other processes hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from feilun.parts.models import matcher

FORMS = ("pairs", "labels")


class Looked(nn.Module):
    """A vector for every token; a text is its first token's."""

    width = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.vectors = nn.Embedding(9, 4)

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """(B, T) -> (B, 4)."""
        made: Tensor = self.vectors(tokens[:, 0])
        return made


NETWORK = matcher.Network(Looked(), 0.5)


def texts(**tokens: list[int]) -> dict[str, Tensor]:
    made = {name: torch.tensor(row).unsqueeze(1) for name, row in tokens.items()}
    return made | {f"{name}_length": torch.ones(len(row), dtype=torch.int64) for name, row in tokens.items()}


def alone(rows: Tensor) -> tuple[Tensor, int]:
    return rows, 0


def like(one: int, other: int) -> float:
    vectors = nn.functional.normalize(table(), dim=1)
    return float(vectors[one] @ vectors[other]) / 0.5


def table() -> Tensor:
    found: Tensor = NETWORK.encoders[0].vectors.weight.detach()  # type: ignore[union-attr, operator, assignment]
    return found


def lost(asked: int, right: int, *wrong: int) -> float:
    likes = torch.tensor([like(asked, one) for one in (right, *wrong)], dtype=torch.float64)
    return float(-likes.log_softmax(0)[0])


def test_an_untaught_projection_changes_no_vector() -> None:
    made = NETWORK(text=torch.tensor([[3]]), text_length=torch.tensor([1]))["embedding"]
    assert torch.allclose(made, nn.functional.normalize(table()[3:4], dim=1))


def test_pairs_equal_passages_and_equal_questions_are_not_held_against_each_other() -> None:
    made = matcher.loss(NETWORK, texts(text=[1, 2, 3, 1], passage=[5, 5, 6, 7]), alone)
    assert made.tolist() == pytest.approx([lost(1, 5, 6), lost(2, 5, 6, 7), lost(3, 6, 5, 5, 7), lost(1, 7, 5, 6)])


def test_wrong_passages_of_all_rows_are_looked_at_too() -> None:
    made = matcher.loss(NETWORK, texts(text=[1, 2], passage=[5, 6], negative=[6, 8]), alone)
    assert made.tolist() == pytest.approx([lost(1, 5, 6, 6, 8), lost(2, 6, 5, 8)])


def test_labels_bring_texts_together() -> None:
    batch = {**texts(text=[1, 2, 3, 4]), "label": torch.tensor([0, 0, 1, 2])}
    made = matcher.loss(NETWORK, batch, alone)
    assert made.tolist() == pytest.approx(
        [lost(1, 2, 3, 4), lost(2, 1, 3, 4), lost(3, 3, 1, 2, 4), lost(4, 4, 1, 2, 3)]
    )


def test_texts_alone_find_themselves() -> None:
    made = matcher.loss(NETWORK, texts(text=[1, 2, 1]), alone)
    assert made.tolist() == pytest.approx([lost(1, 1, 2), lost(2, 2, 1, 1), lost(1, 1, 2)])


def test_two_processes_see_each_others_rows(tmp_path: Path) -> None:
    """Losses, and gradients summed over both, are those of one process with all rows; parts differ in length."""
    command = [sys.executable, __file__, str(tmp_path / "store")]
    both = [subprocess.Popen([*command, rank], stdout=subprocess.PIPE, text=True) for rank in ("0", "1")]
    said = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for form in FORMS:
        whole, gradient = worked(form, slice(0, 5), alone)
        assert said[0][form][0] + said[1][form][0] == pytest.approx(whole, rel=1e-5)
        assert said[0][form][1] + said[1][form][1] == pytest.approx(gradient, rel=1e-4)


def worked(form: str, rows: slice, every: Callable[[Tensor], Any]) -> tuple[list[float], float]:
    """(losses of these rows, a number that hangs on every gradient)."""
    network = matcher.Network(Looked(), 0.5)
    batch = texts(text=[1, 2, 3, 4, 5], passage=[6, 7, 8, 6, 2])
    if form == "labels":
        batch = {**texts(text=[1, 2, 3, 4, 5]), "label": torch.tensor([0, 1, 0, 1, 0])}
    made = matcher.loss(network, {name: tensor[rows] for name, tensor in batch.items()}, every)
    made.sum().backward()
    found = torch.cat([one.grad.flatten() for one in network.parameters() if one.grad is not None])
    return made.tolist(), float((found * torch.arange(1, len(found) + 1)).sum())


def _join(store: str, rank: int) -> None:
    from torch import distributed

    from feilun.parts.engine import group

    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    print(json.dumps({form: worked(form, (slice(0, 2), slice(2, 5))[rank], group.current().every) for form in FORMS}))
    group.leave()


if __name__ == "__main__":
    _join(sys.argv[1], int(sys.argv[2]))
