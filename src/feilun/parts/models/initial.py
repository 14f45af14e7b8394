"""Where weights start: variance kept from layer to layer (Glorot & Bengio 2010; He et al. 2015)."""

from __future__ import annotations

import math

from torch import nn

GAINS = {"relu": math.sqrt(2.0), "gelu": math.sqrt(2.0), "tanh": 5 / 3, "sigmoid": 1.0, "linear": 1.0}


def start(module: nn.Linear | nn.Conv2d, activation: str) -> None:
    """He's normal for the ReLU family, Xavier's uniform for the others; biases 0."""
    if activation in ("relu", "gelu"):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    else:
        nn.init.xavier_uniform_(module.weight, gain=GAINS[activation])
    if module.bias is not None:
        nn.init.zeros_(module.bias)
