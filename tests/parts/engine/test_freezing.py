"""Frozen parts stay as they are, bit for bit; rates fall from layer to layer; resuming changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from feilun.core.errors import RecipeError, Stopped
from feilun.core.recipe import Train
from feilun.parts.engine import freezing, layers
from feilun.parts.engine.fit import fit
from feilun.parts.engine.group import Group
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.stepping import Stepper


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList([nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 4))])
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor, **rest: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(self.encoders[0](x))}


def _objective(networks, batch, player):  # type: ignore[no-untyped-def]
    return nn.functional.cross_entropy(networks[player](**batch)["logits"], batch["target"], reduction="none")


def _data() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(64, 3)).astype(np.float32)
    return {"x": x, "target": (x.sum(1) > 0).astype(np.int64)}


def _trained(folder: Path | None = None, say=None, **plan: object) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    with initialised(1):
        network = Net()
    run = Run(folder=folder, **({"say": say} if say else {}))
    index = Index(train=np.arange(48), validation=np.arange(48, 64))
    fit({"main": network}, _data(), index, Learning(objective=_objective), Train(batch_size=16, **plan), run)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _start() -> dict[str, torch.Tensor]:
    with initialised(1):
        return Net().state_dict()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_frozen_parts_stay_and_so_do_their_statistics(optimizer: str) -> None:
    """Weight decay and batch norms included; what is not frozen learns."""
    start, end = _start(), _trained(epochs=2, freeze=("encoders",), optimizer=optimizer, l2=0.1)
    assert all(torch.equal(end[name], start[name]) for name in start if name.startswith("encoders"))
    assert not torch.equal(end["head.weight"], start["head.weight"])


def test_a_part_of_a_part_can_be_frozen() -> None:
    start, end = _start(), _trained(epochs=1, freeze=("main/encoders.0.0", "encoders.0.1"))
    assert torch.equal(end["encoders.0.0.weight"], start["encoders.0.0.weight"])
    assert torch.equal(end["encoders.0.1.running_mean"], start["encoders.0.1.running_mean"])
    assert not torch.equal(end["encoders.0.3.weight"], start["encoders.0.3.weight"])


def test_frozen_then_unfrozen() -> None:
    """In the epoch before `unfreeze` the frozen part has not moved, after it has."""
    plan = {"freeze": ("encoders",), "unfreeze": 3, "patience": None}
    start = _start()
    before, after = _trained(epochs=2, **plan), _trained(epochs=3, **plan)
    assert torch.equal(before["encoders.0.0.weight"], start["encoders.0.0.weight"])
    assert not torch.equal(after["encoders.0.0.weight"], start["encoders.0.0.weight"])
    assert not torch.equal(after["encoders.0.1.running_mean"], start["encoders.0.1.running_mean"])


def test_patience_counts_from_the_epoch_in_which_all_learn() -> None:
    """A rate so low that validation gets worse or stays: without the wait training would end after two epochs."""
    with initialised(1):
        network = Net()
    plan = Train(batch_size=16, epochs=9, freeze=("encoders",), unfreeze=6, patience=1, learning_rate=1e-12)
    index = Index(train=np.arange(48), validation=np.arange(48, 64))
    fitted = fit({"main": network}, _data(), index, Learning(objective=_objective), plan)
    assert fitted.epochs >= 6


class _Stop:
    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def line(self, text: str) -> None:
        """Drop it."""

    def progress(self, stage: str, **fields: object) -> None:
        """Press Ctrl-C once."""
        import signal

        if fields["epoch"] == self.epoch:
            self.epoch = -1
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("epoch", [1, 3])
def test_resumed_in_either_phase_is_the_same_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    monkeypatch.setattr("feilun.parts.engine.fit.DRAWN_EVERY_S", 0.0)
    plan = {"freeze": ("encoders",), "unfreeze": 3, "epochs": 4, "layer_decay": 0.5, "patience": None}
    whole = _trained(**plan)
    with pytest.raises(Stopped):
        _trained(tmp_path, _Stop(epoch), **plan)
    resumed = _trained(tmp_path, **plan)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_an_unknown_part_is_told_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"'encoder'.*parts: encoders, head") as caught:
        freezing.frozen({"main": Net()}, ["encoder"])
    assert caught.value.where == "train.freeze"
    with pytest.raises(RecipeError, match="nothing that learns"):
        freezing.frozen({"main": Net()}, ["encoders", "head"])


def test_rates_fall_from_the_top_to_the_bottom() -> None:
    """decay^d, d layers below the head; a norm goes with the layer before it, parallel encoders end level."""
    network = Net()
    scales = layers.scales(network, 0.5)
    found = {name: scales[id(parameter)] for name, parameter in network.named_parameters()}
    assert found["head.weight"] == found["head.bias"] == 1.0
    assert found["encoders.0.3.weight"] == 0.5
    assert found["encoders.0.0.weight"] == found["encoders.0.1.weight"] == 0.25
    network.encoders.append(nn.Linear(2, 2))
    scales = layers.scales(network, 0.5)
    assert scales[id(network.encoders[1].weight)] == scales[id(network.encoders[0][3].weight)] == 0.5


def test_blocks_of_a_list_are_layers_and_tables_in_a_row_are_one() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(5, 2), nn.Embedding(5, 2)
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(2)])
            self.norm = nn.LayerNorm(2)
            self.head = nn.Linear(2, 1)

    assert [len(level) for level in layers.layers(Reader())] == [2, 4, 6, 2]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_every_group_gets_its_share_of_the_rate(optimizer: str) -> None:
    """One step of plain descent moves each layer by its share; other rules have the same rates."""
    network, plan = Net(), Train(optimizer=optimizer, layer_decay=0.5, clip=None)
    stepper = Stepper({"main": network}, Learning(objective=_objective), plan, Group())
    stepper.begin(0)
    batch = {name: torch.from_numpy(array) for name, array in _data().items()}
    stepper.step("main", batch, None, 0.1, len(batch["x"]))
    scales = layers.scales(network, 0.5)
    for one in stepper.optimizers["main"]:
        for group in one.param_groups:
            assert {group["lr"]} == {0.1 * scales[id(parameter)] for parameter in group["params"]}
    every = [id(p) for one in stepper.optimizers["main"] for group in one.param_groups for p in group["params"]]
    assert sorted(every) == sorted(map(id, network.parameters()))
