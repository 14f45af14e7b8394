"""Networks whose weights, gradients and moments are divided among the processes: FSDP2 (Zhao et al. 2023)."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from feilun.core.errors import RecipeError
from feilun.core.recipe import Train
from feilun.parts.engine.execution import layers


def sharded(networks: Mapping[str, nn.Module], plan: Train, device: torch.device) -> dict[str, nn.Module]:
    """Copies of the networks that hold a part of every weight each; a layer is whole only while it computes.

    Raises RecipeError for what cannot be divided.
    """
    _refuse(networks, plan)
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    copies = {player: copy.deepcopy(network) for player, network in networks.items()}
    for network in copies.values():
        inner = [layer for layer in layers(network) if any(True for _ in layer.parameters())]
        for module in (*inner, network):
            divided: Any = fully_shard(module, mesh=mesh)
            _sum_not_mean(divided)
    return copies


def gather(divided: Mapping[str, nn.Module], whole: Mapping[str, nn.Module]) -> None:
    """Copy the weights of divided networks into whole ones; every process calls it and has them all afterwards."""
    with torch.no_grad():
        for player, network in whole.items():
            parts = divided[player].state_dict()
            for name, tensor in network.state_dict(keep_vars=True).items():
                tensor.copy_(full(parts[name]))


def full(tensor: Tensor) -> Tensor:
    """The whole of a divided tensor; every process calls it. Any other tensor as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def local(tensor: Tensor) -> Tensor:
    """Our part of a divided tensor; any other as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def divided_as(tensor: Tensor, like: Tensor | None) -> Tensor:
    """A whole tensor, divided as this one is if it is and has the same shape."""
    if not isinstance(like, DTensor) or isinstance(tensor, DTensor) or tensor.shape != like.shape:
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def save(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Every process writes its parts into the folder, each file down to the disk. Raises OSError."""
    try:
        state_dict_saver.save(dict(tensors), storage_writer=FileSystemWriter(folder, sync_files=True))
    except CheckpointException as error:  # some process could not
        raise OSError(str(next(iter(error.failures.values()))[0])) from error


def load(folder: Path, likes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `save` wrote, by however many processes, divided as `likes` are; whole where there is none."""
    found: dict[str, Tensor] = {}
    for name, meta in FileSystemReader(folder).read_metadata().state_dict_metadata.items():
        if isinstance(meta, TensorStorageMetadata):
            empty = torch.empty(meta.size, dtype=meta.properties.dtype)
            like = likes.get(name)
            fits = isinstance(like, DTensor) and like.shape == meta.size
            found[name] = torch.zeros_like(like) if fits and like is not None else empty
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")  # each process reads for itself
        state_dict_loader.load(dict(found), storage_reader=FileSystemReader(folder), no_dist=True)
    return found


def _sum_not_mean(divided: FSDPModule) -> None:
    """Gradients are added, as each process has divided its losses by the rows of all."""
    divided.set_gradient_divide_factor(1.0)
    divided.set_force_sum_reduction_for_comms(True)


def _refuse(networks: Mapping[str, nn.Module], plan: Train) -> None:
    """What cannot be trained in parts, with the reason."""
    if plan.optimizer == "muon":
        raise _error("muon needs whole matrices, to make them orthogonal", "train.optimizer", plan.optimizer, "adamw")
    if plan.precision == "fp16":
        raise _error(
            "the scaled losses of fp16 are not watched over divided weights", "train.precision", plan.precision, "bf16"
        )
    if len(networks) > 1:
        why = f"the {len(networks)} networks of this task take turns, and a divided one learns at every step"
        raise _error(why, "train.shard", "true", "false")


def _error(why: str, key: str, got: str, instead: str) -> RecipeError:
    return RecipeError(
        f"train.shard cannot be used here: {why}. Write {key}: {instead}.",
        where=key,
        expected=instead,
        got=got,
        fix=f"{key}: {instead}",
    )
