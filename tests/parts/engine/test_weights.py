"""Weights on disk, tied ones and buffers included, and the torch runner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from feilun.core.errors import FeilunError, IntegrityError
from feilun.core.task import Graph
from feilun.parts.engine import weights
from feilun.parts.engine.runner import TorchRunner


class Tied(nn.Module):
    """An embedding whose matrix is also the last layer's, and a norm with buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.norm = nn.BatchNorm1d(3)
        self.last = nn.Linear(3, 5, bias=False)
        self.last.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.last(self.norm(self.embedding(ids)))}


def test_weights_come_back_tied_and_with_buffers(tmp_path: Path) -> None:
    one, two = Tied(), Tied()
    one(torch.arange(5))  # moves the norm's running mean
    weights.save({"main": one}, tmp_path / weights.FILE)
    weights.load({"main": two}, tmp_path / weights.FILE)
    assert two.last.weight is two.embedding.weight
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]), name
    assert "main/embedding.weight" in weights.named({"main": one})
    assert "main/norm.running_mean" in weights.named({"main": one})


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights.save({"main": nn.Linear(2, 2)}, tmp_path / weights.FILE)
    with pytest.raises(IntegrityError, match="belongs to another network"):
        weights.load({"main": nn.Linear(2, 2, bias=False)}, tmp_path / weights.FILE)
    with pytest.raises(IntegrityError, match=r"main/weight has shape \(2, 2\)"):
        weights.load({"main": nn.Linear(3, 2)}, tmp_path / weights.FILE)
    (tmp_path / weights.FILE).write_bytes(b"not safetensors")
    with pytest.raises(IntegrityError, match="cannot be read"):
        weights.load({"main": nn.Linear(2, 2)}, tmp_path / weights.FILE)


def test_runner_answers_in_eval_mode_and_ignores_what_a_graph_does_not_take() -> None:
    module = Tied()
    graph = Graph(module=module, inputs={"ids": torch.arange(2)}, outputs=("logits",), axes={})
    run = TorchRunner({"main": graph})
    ids = np.array([1, 4])
    ids.flags.writeable = False
    got = run("main", ids=ids, other=np.zeros(2))
    module.eval()
    assert np.array_equal(got["logits"], module(torch.tensor([1, 4]))["logits"].detach().numpy())
    with pytest.raises(FeilunError, match="needs ids"):
        run("main", other=ids)
    with pytest.raises(FeilunError, match="no graph 'step'"):
        run("step", ids=ids)
