"""Where matrices and kernels start, by name: `train.initialisation`. Biases start at 0; norms are left alone.

Biases of recurrent cells are left alone too: an LSTM's forget gate starts open (Gers et al. 2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

Start: TypeAlias = Callable[[Tensor, int, int], object]  # (weight to fill, inputs and outputs of a unit)

SMALL = 0.05  # largest of random, deviation of gaussian: both are Keras' defaults of these names


def _random(weight: Tensor, inputs: int, outputs: int) -> object:
    return weight.uniform_(-SMALL, SMALL)


def _gaussian(weight: Tensor, inputs: int, outputs: int) -> object:
    return weight.normal_(0.0, SMALL)


def _xavier(weight: Tensor, inputs: int, outputs: int) -> object:
    """Variance 2 / (inputs + outputs). Glorot & Bengio 2010, equation 16."""
    reach = math.sqrt(6 / (inputs + outputs))
    return weight.uniform_(-reach, reach)


def _he(weight: Tensor, inputs: int, outputs: int) -> object:
    """Variance 2 / inputs. He et al. 2015, equation 10."""
    return weight.normal_(0.0, math.sqrt(2 / inputs))


def _orthogonal(weight: Tensor, inputs: int, outputs: int) -> object:
    """Rows, or columns where there are fewer, of length 1 at right angles. Saxe et al. 2014."""
    return nn.init.orthogonal_(weight)


WAYS: Mapping[str, Start] = {
    "random": _random,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "he": _he,
    "orthogonal": _orthogonal,
}
OF_VECTORS = ("random", "gaussian")  # a table of vectors is looked up: it has no inputs whose variance could be kept


@torch.no_grad()
def start(networks: Mapping[str, nn.Module], way: str) -> None:
    """Draw the weights of every player anew, in place, from torch's generator: call it inside `randomness.initialised`.

    Linear layers, convolutions (a kernel has as many inputs as it reads numbers), each gate of recurrent layers; tables
    of vectors for random and gaussian alone. What is not trained, such as fixed positions, stays.
    """
    for network in networks.values():
        for module in network.modules():
            for weight, inputs, outputs in _matrices(module, vectors=way in OF_VECTORS):
                WAYS[way](weight, inputs, outputs)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx].zero_()
            for name, parameter in module.named_parameters(recurse=False):
                if name == "bias" and isinstance(module, nn.Linear | _ConvNd) and parameter.requires_grad:
                    parameter.zero_()


def _matrices(module: nn.Module, *, vectors: bool) -> Iterator[tuple[Tensor, int, int]]:
    """(weight, inputs, outputs) of all that is drawn in this module; the gates of a recurrent layer one by one."""
    for name, parameter in module.named_parameters(recurse=False):
        if not name.startswith("weight") or not parameter.requires_grad:
            continue
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            for gate in torch.split(parameter, min(module.hidden_size, len(parameter))):
                yield gate, gate.shape[1], gate.shape[0]
        elif isinstance(module, nn.Linear | _ConvNd):
            area = parameter[0, 0].numel()
            ends = parameter.shape[1] * area, parameter.shape[0] * area
            yield parameter, *(ends[::-1] if isinstance(module, _ConvTransposeNd) else ends)
        elif vectors and isinstance(module, nn.Embedding):
            yield parameter, 1, parameter.shape[1]
