"""Weights of another training as a start: every layer whose name and shape fit, and a new head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.engine import weights
from feilun.parts.engine.layers import HEAD

SHOWN = 4  # layers named in a line


@dataclass(frozen=True, kw_only=True, slots=True)
class Vectors:
    """A table of vectors whose rows mean other values there: rows `mine` here are rows `theirs` there, int64 (n,)."""

    mine: np.ndarray
    theirs: np.ndarray


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """layers: those that start from the other weights; left: {layer: why not}; numbers: how many were taken."""

    layers: tuple[str, ...]
    left: Mapping[str, str]
    numbers: int

    def words(self, where: str) -> str:
        """One line for a person."""
        left = [f"{layer} {why}" for layer, why in self.left.items()]
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        rest = f"; new: {', '.join(left[:SHOWN])}{more}" if left else ""
        return f"From {where}: {len(self.layers)} layers with {self.numbers:,} numbers{rest}."


def take(
    networks: Mapping[str, nn.Module],
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    called: Callable[[str], Sequence[str]] = lambda name: (),
    tables: Mapping[str, Vectors] | None = None,
) -> Taken:
    """Copy what fits into the networks. A layer is taken whole or not at all.

    tensors: `{player/name or name: tensor}`.  called: other names that a tensor `player/name` may have there.
    tables: {layer: rows that mean the same}; only these rows of its weight are taken.
    Raises RecipeError where no layer fits.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.named(networks).items():
        layers.setdefault(name.rpartition(".")[0], {})[name] = tensor
    taken, left, numbers = [], dict[str, str](), 0
    answering = {player for player, network in networks.items() if not getattr(network, "writes", False)}
    for layer, own in layers.items():
        found = {name: _found(name, tensors, called) for name in own}
        rows = (tables or {}).get(layer)
        answers = HEAD in layer.partition("/")[2].split(".") and layer.partition("/")[0] in answering
        why = "(it answers)" if answers else _unfit(own, found, rows)
        if why:
            left[_short(layer)] = why
            continue
        numbers += sum(_copy(own[name], other, rows) for name, other in found.items() if other is not None)
        taken.append(_short(layer))
    if not taken:
        raise _nothing(where, layers, tensors)
    return Taken(layers=tuple(taken), left=left, numbers=numbers)


def _found(name: str, tensors: Mapping[str, Tensor], called: Callable[[str], Sequence[str]]) -> Tensor | None:
    candidates = called(name) or (name, name.partition("/")[2])
    return next((tensors[one] for one in candidates if one in tensors), None)


def _unfit(own: Mapping[str, Tensor], found: Mapping[str, Tensor | None], rows: Vectors | None) -> str:
    """Why this layer is not taken; empty if it is."""
    if rows is not None and not len(rows.mine):
        return "has no value in common"
    for name, tensor in own.items():
        other = found[name]
        if other is None:
            return "is not there"
        shape = (len(tensor), *other.shape[1:]) if rows is not None else other.shape
        if tensor.shape != shape:
            return f"has shape {tuple(tensor.shape)}, there {tuple(other.shape)}"
    return ""


@torch.no_grad()
def _copy(tensor: Tensor, other: Tensor, rows: Vectors | None) -> int:
    """How many numbers were taken."""
    if rows is None:
        tensor.copy_(other)
        return tensor.numel()
    tensor[torch.from_numpy(rows.mine)] = other[torch.from_numpy(rows.theirs)].to(tensor.dtype)
    return len(rows.mine) * tensor[0].numel()


def _short(layer: str) -> str:
    """Without the player, where it is the one that most tasks have alone."""
    return layer.removeprefix("main/")


def _nothing(where: str, layers: Mapping[str, Mapping[str, Tensor]], tensors: Mapping[str, Tensor]) -> RecipeError:
    here = [f"{name} {tuple(tensor.shape)}" for own in layers.values() for name, tensor in own.items()]
    there = [f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()]
    return RecipeError(
        f"No layer of model.weights {where} fits this network. Here are {', '.join(here[:SHOWN])}, ...; there are "
        f"{', '.join(there[:SHOWN])}, .... Take the model's name and options from the recipe of those weights.",
        where="model.weights",
        expected=", ".join(here[:SHOWN]),
        got=", ".join(there[:SHOWN]),
        fix="use the same model.name and options as those weights were trained with",
    )
