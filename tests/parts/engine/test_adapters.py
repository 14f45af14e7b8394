"""LoRA: only the change and the head learn, nothing changes before the first step, merging changes no answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from feilun.core.errors import RecipeError
from feilun.core.recipe import Lora
from feilun.parts.engine import adapters
from feilun.parts.engine.randomness import initialised


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.head(self.body(x))
        return made


def _learnt() -> tuple[Net, dict[str, object], torch.Tensor, dict[str, torch.Tensor]]:
    """A network after some steps with an adapter."""
    with initialised(0):
        network = Net()
        start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        x = torch.randn(8, 1, 4, 4)
        before = network(x)
        made = adapters.inject({"main": network}, Lora(rank=2))
        assert torch.equal(network(x), before)  # B starts at 0
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.02)
    for _ in range(3):
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    return network, made, x, start


def test_the_base_stays_and_merging_changes_no_answer(tmp_path: Path) -> None:
    network, made, x, start = _learnt()
    base = network.body[2].base_layer.weight.detach()
    assert torch.equal(base, start["body.2.weight"])
    answers = network(x).detach()
    adapters.merge(made, tmp_path)
    assert sorted(network.state_dict()) == sorted(start)
    assert torch.allclose(network(x), answers, atol=1e-5)  # W x + B A x against (W + B A) x
    assert all(p.requires_grad for p in network.parameters())
    for name in ("body.0.weight", "body.2.weight", "body.4.weight", "head.weight"):
        assert not torch.equal(network.state_dict()[name], start[name]), name
    assert torch.equal(network.state_dict()["body.2.bias"], start["body.2.bias"])


def test_the_adapter_is_a_folder_that_peft_reads(tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel

    network, made, x, start = _learnt()
    answers = network.body(x).detach()
    adapters.merge(made, tmp_path)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["r"] == 2
    assert all(".lora_" in name for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    fresh = Net()
    fresh.load_state_dict(start)
    loaded = PeftModel.from_pretrained(
        fresh, str(tmp_path / "adapter"), config=LoraConfig.from_pretrained(str(tmp_path / "adapter"))
    )
    assert torch.allclose(loaded.base_model.model.body(x), answers, atol=1e-5)


def test_a_network_without_matrices_below_the_head_is_told() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 2)

    with pytest.raises(RecipeError, match="no"):
        adapters.inject({"main": Small()}, Lora())
