"""MLP: fully connected layers over all inputs joined; categories and tokens as learnt vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from feilun.core.errors import not_one_of
from feilun.parts.models import initial, stems

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """Options of the family."""

    width: int | Sequence[int] = 256  # units of each hidden layer; [64, 32] gives each its own
    depth: int = 2  # hidden layers; not looked at where width names each
    activation: str = "relu"  # relu, gelu, tanh or sigmoid
    dropout: float = 0.0  # share of hidden units left out while training; on California housing 0.2 cost 5 % of RMSE
    embedding: int | None = None  # width of the vectors of tokens and categories; left out, by the number of values


MODEL = Mlp
KINDS = ("number", "time", "category", "image", "text")


class Layers(nn.Module):
    """Hidden layers (B, inputs) -> (B, width)."""

    def __init__(self, options: Mlp, inputs: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        widths = (options.width,) * options.depth if isinstance(options.width, int) else tuple(options.width)
        for number, wide in enumerate(widths):
            layer = nn.Linear(widths[number - 1] if number else inputs, wide)
            initial.start(layer, options.activation)
            parts += [layer, ACTIVATIONS[options.activation]()]
            parts += [nn.Dropout(options.dropout)] if options.dropout else []
        self.layers = nn.Sequential(*parts)
        self.width = widths[-1] if widths else inputs

    def forward(self, joined: Tensor) -> Tensor:
        """(B, inputs) -> (B, width)."""
        made: Tensor = self.layers(joined)
        return made


def encoder(options: Mlp, feature: Any) -> nn.Module:
    """The plain encoder of the kind; what the columns have to do with each other is left to the layers."""
    return stems.plain(feature, embedding=options.embedding)


def trunk(options: Mlp, inputs: int) -> nn.Module:
    """What comes after the inputs are joined. Raises RecipeError for an activation that does not exist."""
    if options.activation not in ACTIVATIONS:
        raise not_one_of("model.activation", options.activation, ACTIVATIONS)
    return Layers(options, inputs)
