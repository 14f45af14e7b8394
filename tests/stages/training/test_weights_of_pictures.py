"""Published weights of networks over pictures: taken by name, whatever the head; summed for grey pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from feilun.core.errors import InputError
from feilun.core.progress import Heard
from feilun.core.recipe import Model
from feilun.parts.engine.randomness import initialised
from feilun.parts.models import fused, resnet
from feilun.stages.training import start

OPTIONS: dict[str, Any] = {"width": 0.125, "depth": 0.5}


def network(channels: int, labels: int) -> nn.Module:
    feature: Any = SimpleNamespace(kind="image", shape=(channels, 32, 32), columns=("p",))
    model = Model(name="resnet18", **OPTIONS)
    return fused.build(model, {"p": feature}, ("p",), labels)


def published(path: Path, before: str) -> dict[str, torch.Tensor]:
    """A state dict under torchvision's names, a head of seven labels beside it."""
    with initialised(1):
        body: Any = resnet.encoder(resnet.MODEL(**OPTIONS), SimpleNamespace(shape=(3, 32, 32)), "resnet18")
    tensors = {**body.network.state_dict(), "fc.weight": torch.ones(7, 64), "fc.bias": torch.ones(7)}
    safetensors.torch.save_file({f"{before}{name}": one for name, one in tensors.items()}, path)
    return tensors


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("before", ["", "module."])
def test_torchvisions_names_are_taken(tmp_path: Path, channels: int, before: str) -> None:
    theirs, heard = published(tmp_path / "net.safetensors", before), Heard()
    sha256 = start.keep(tmp_path / "net.safetensors", tmp_path / "models")
    made: Any = network(channels, 2)
    head = made.head.weight.clone()
    model = Model(name="resnet18", weights="net.safetensors", weights_sha256=sha256)
    start.begin({"main": made}, model, {}, tmp_path / "models", heard)
    first = theirs["conv1.weight"]
    expected = first if channels == 3 else first.sum(1, keepdim=True)
    own = made.encoders[0].network
    assert torch.allclose(own.conv1.weight, expected)
    assert torch.equal(own.layer4[0].bn2.running_mean, theirs["layer4.0.bn2.running_mean"])
    assert torch.equal(made.head.weight, head)
    assert "new: head (it answers)" in heard.lines[0]


@pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.bin"])
def test_pickles_are_refused_unopened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(InputError, match="is a pickle, and opening one can run code"):
        start.keep(tmp_path / name, tmp_path / "models")
