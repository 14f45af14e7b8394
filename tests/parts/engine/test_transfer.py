"""What fits is taken, layer by layer; the head is new; tables are matched by what their rows mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from feilun.core.errors import RecipeError
from feilun.parts.engine import transfer, weights


class Net(nn.Module):
    def __init__(self, width: int = 4, words: int = 5) -> None:
        super().__init__()
        self.table = nn.Embedding(words, 3)
        self.body = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 4))
        self.head = nn.Linear(4, 2)


def test_layers_that_fit_are_taken_whole_and_the_head_is_new() -> None:
    """body.0 has another width here: neither its weight nor its bias, which would fit by name alone, is taken."""
    here, there = Net(), Net(width=6)
    before = weights.copies({"main": here})
    taken = transfer.take({"main": here}, weights.copies({"main": there}), where="other")
    assert taken.layers == ("table",)
    assert set(taken.left) == {"body.0", "body.1", "body.2", "head"}
    assert torch.equal(here.table.weight, there.table.weight)
    assert torch.equal(here.body[2].bias, before["main/body.2.bias"])
    assert torch.equal(here.head.weight, before["main/head.weight"])
    assert "From other: 1 layers with 15 numbers; new: body.0 has shape (4, 3), there (6, 3)" in taken.words("other")


def test_statistics_of_norms_come_along_and_players_may_be_left_out_of_names() -> None:
    here, there = Net(), Net()
    there.body[1].running_mean.fill_(3.0)
    taken = transfer.take({"main": here}, there.state_dict(), where="a file")
    assert torch.equal(here.body[1].running_mean, there.body[1].running_mean)
    assert list(taken.left) == ["head"]


def test_rows_of_a_table_that_mean_the_same_are_taken() -> None:
    here, there = Net(words=4), Net(words=5)
    before = here.table.weight.detach().clone()
    rows = transfer.Vectors(mine=np.array([0, 3]), theirs=np.array([0, 1]))
    transfer.take({"main": here}, weights.copies({"main": there}), where="other", tables={"main/table": rows})
    assert torch.equal(here.table.weight[[0, 3]], there.table.weight[[0, 1]])
    assert torch.equal(here.table.weight[[1, 2]], before[[1, 2]])


def test_nothing_fits_is_an_error_that_shows_both_sides() -> None:
    with pytest.raises(RecipeError, match=r"No layer of model.weights other fits.*table.weight \(5, 3\).*x \(7,\)"):
        transfer.take({"main": Net()}, {"x": torch.zeros(7)}, where="other")
