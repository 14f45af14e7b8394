"""Weights of all players in one safetensors file; names are `player/parameter`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from feilun.core.errors import IntegrityError
from feilun.core.manifest import write_bytes

FILE = "weights.safetensors"


def named(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """{player/name: the live tensor} of every parameter and saved buffer; a tensor tied under two names comes once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for player, network in networks.items():
        for name, tensor in network.state_dict(keep_vars=True).items():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                found[f"{player}/{name}"] = tensor
    return found


def copies(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The weights as they are now, safe from later steps."""
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in _live(networks)}


def put(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy these tensors into the networks. Raises IntegrityError unless names and shapes are exactly the same."""
    live = named(networks)
    if live.keys() != tensors.keys():
        missing, extra = sorted(live.keys() - tensors.keys()), sorted(tensors.keys() - live.keys())
        raise IntegrityError(
            f"{where} belongs to another network: missing {missing[:3]}, not expected {extra[:3]}. "
            "Use the recipe it was made with, or train again.",
            where=where,
        )
    with torch.no_grad():
        for name, tensor in live.items():
            if tensor.shape != tensors[name].shape:
                raise IntegrityError(
                    f"{where}: {name} has shape {tuple(tensors[name].shape)}, the network's is {tuple(tensor.shape)}. "
                    "Use the recipe it was made with, or train again.",
                    where=where,
                )
            tensor.copy_(tensors[name])


def finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every value is a number: in our part of it, where a tensor is divided among processes."""
    parts = (getattr(tensor, "to_local", lambda tensor=tensor: tensor)() for tensor in tensors.values())
    return all(bool(torch.isfinite(part).all()) for part in parts)


def save(networks: Mapping[str, nn.Module], path: Path) -> None:
    """Write the weights, atomically."""
    write_bytes(path, safetensors.torch.save(copies(networks)))


def load(networks: Mapping[str, nn.Module], path: Path) -> None:
    """Read weights written by `save` into networks of the same build. Raises IntegrityError if they do not fit."""
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise IntegrityError(f"{path} cannot be read: {error}. Train again.", where=str(path)) from error
    put(networks, tensors, str(path))


def _live(networks: Mapping[str, nn.Module]) -> list[tuple[str, Tensor]]:
    return list(named(networks).items())
