"""MLP: fully connected layers over all inputs joined; categories as learnt vectors, numbers as waves or plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.models import initial, stems

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NUMBERS = ("periodic", "plain")


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """width: units of each hidden layer.  depth: hidden layers.  activation: relu, gelu, tanh or sigmoid.

    dropout: share of hidden units left out while training.  embedding: width of the vectors of tokens and categories;
    left out, by the number of values.  numbers: "periodic" (learnt sines and cosines, good where the answer is not
    smooth) or "plain".  frequencies, number_width, number_scale: of the periodic form.
    """

    width: int = 256
    depth: int = 2
    activation: str = "relu"
    dropout: float = 0.1
    embedding: int | None = None
    numbers: str = "periodic"
    frequencies: int = 24
    number_width: int = 8
    number_scale: float = 0.1


MODEL = Mlp
KINDS = ("number", "category", "image", "text")


class Layers(nn.Module):
    """Hidden layers (B, inputs) -> (B, width)."""

    def __init__(self, options: Mlp, inputs: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for number in range(options.depth):
            layer = nn.Linear(options.width if number else inputs, options.width)
            initial.start(layer, options.activation)
            parts += [layer, ACTIVATIONS[options.activation]()]
            parts += [nn.Dropout(options.dropout)] if options.dropout else []
        self.layers = nn.Sequential(*parts)
        self.width = options.width if options.depth else inputs

    def forward(self, joined: Tensor) -> Tensor:
        """(B, inputs) -> (B, width)."""
        made: Tensor = self.layers(joined)
        return made


def encoder(options: Mlp, feature: Any) -> nn.Module:
    """Waves of numbers, or the plain encoder of the kind."""
    if feature.kind == "number" and options.numbers == "periodic" and not feature.pieced:
        return stems.Periodic(
            feature.width,
            frequencies=options.frequencies,
            width=options.number_width,
            scale=options.number_scale,
        )
    return stems.plain(feature, embedding=options.embedding)


def trunk(options: Mlp, inputs: int) -> nn.Module:
    """What comes after the inputs are joined. Raises RecipeError for an option that does not fit."""
    for name, value, known in (
        ("activation", options.activation, tuple(ACTIVATIONS)),
        ("numbers", options.numbers, NUMBERS),
    ):
        if value not in known:
            raise RecipeError(
                f"model.{name} is {value!r}; expected one of: {', '.join(known)}.",
                where=f"model.{name}",
                expected=", ".join(known),
                got=str(value),
                fix=f"use {known[0]}",
            )
    return Layers(options, inputs)
