"""Any mix of inputs in one network: an encoder for each, joined, then layers and the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from feilun.core import discover
from feilun.core.errors import RecipeError
from feilun.core.task import Graph
from feilun.parts.models import initial

if TYPE_CHECKING:
    from feilun.core.recipe import Model
    from feilun.core.task import Features

# What reads a kind that the recipe's model does not read; others: mlp
BESIDE = {"image": "cnn", "text": "gru", "sequence": "gru"}


class Network(nn.Module):
    """forward(**batch) -> {output: (B, outputs)}; ragged inputs bring `<name>_length`.

    Encoders are numbered, not named: a column's name may be anything, a module's may not.
    """

    def __init__(
        self, encoders: Mapping[str, nn.Module], trunk: nn.Module | None, head: nn.Module, output: str
    ) -> None:
        super().__init__()
        self.inputs, self.output = tuple(encoders), output
        self.encoders = nn.ModuleList(encoders.values())
        self.trunk = trunk or nn.Identity()
        self.head = head

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """Inputs by name; anything else in the batch is left alone."""
        parts = [
            encoder(batch[name], batch.get(f"{name}_length"))
            for name, encoder in zip(self.inputs, self.encoders, strict=True)
        ]
        joined = torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]
        return {self.output: self.head(self.trunk(joined))}


def build(model: Model, features: Features, inputs: Sequence[str], outputs: int, *, name: str = "logits") -> nn.Module:
    """The recipe's model over these inputs. name: of the output.

    Its family reads the kinds it knows; the others get their kind's own encoder. Raises RecipeError for a family that
    reads none of them, or options it does not take.
    """
    family_name = discover.aliases("models").get(str(model.name), str(model.name))
    family = discover.find("models", family_name)
    if hasattr(family, "whole"):
        own: nn.Module = family.whole(features, inputs, outputs, name)
        return own
    kinds = [str(features[item].kind) for item in inputs]
    known: tuple[str, ...] = getattr(family, "KINDS", ())
    if not set(kinds) & set(known):
        raise _unread(model, set(kinds), known, kinds[0])
    options = _options(family, model)
    encoders = {item: _encoder(family, options, family_name, features[item]) for item in inputs}
    trunk = _trunk(family, options, family_name, _width(encoders.values()), len(inputs))
    width = _width(encoders.values()) if trunk is None else _width([trunk])
    return Network(encoders, trunk, _head(family, options, width, outputs, name), name)


def encoder(model: Model, feature: Any) -> nn.Module:
    """The encoder of the recipe's model for one input. Raises RecipeError for a model that does not read it."""
    name = discover.aliases("models").get(str(model.name), str(model.name))
    family = discover.find("models", name)
    if feature.kind not in getattr(family, "KINDS", ()):
        raise _unread(model, {feature.kind}, getattr(family, "KINDS", ()), feature.kind)
    return _encoder(family, _options(family, model), name, feature)


def graph(network: nn.Module, inputs: Mapping[str, Tensor]) -> Graph:
    """The network as one graph: rows may be any number, and so may the tokens of each ragged input."""
    output = str(network.output)
    axes: dict[str, dict[int, str]] = {name: {0: "rows"} for name in (*inputs, output)}
    for place, name in enumerate(name for name in inputs if f"{name}_length" in inputs):
        axes[name][1] = f"tokens_{place}"
    return Graph(module=network, inputs=dict(inputs), outputs=(output,), axes=axes)


def _unread(model: Model, kinds: set[str], known: Sequence[str], first: str) -> RecipeError:
    other, there = BESIDE.get(first, "mlp"), ", ".join(sorted(kinds))
    return RecipeError(
        f"model {model.name} reads {', '.join(known) or 'other inputs'}; the columns here are {there}. Choose another "
        f"model, such as {other}.",
        where="model.name",
        expected=" or ".join(known),
        got=there,
        fix=f"model: {other}",
    )


def _width(parts: Iterable[nn.Module]) -> int:
    """Every encoder and trunk says how many numbers a row it gives."""
    return sum(int(getattr(part, "width")) for part in parts)  # noqa: B009 - a Module's attributes are typed as tensors


def _options(family: Any, model: Model) -> Any:
    try:
        return family.MODEL(**model.options)
    except TypeError as error:
        known = ", ".join(family.MODEL.__dataclass_fields__)
        raise RecipeError(
            f"model {model.name}: {error}. Its options: {known}.",
            where="model",
            expected=known,
            fix="take one of these",
        ) from error


def _encoder(family: Any, options: Any, name: str, feature: Any) -> nn.Module:
    if feature.kind in family.KINDS:
        made = family.encoder(options, feature, name) if hasattr(family, "NAMES") else family.encoder(options, feature)
    else:
        other = BESIDE.get(feature.kind, "mlp")
        beside = discover.find("models", other)
        given = beside.MODEL()
        made = beside.encoder(given, feature, other) if hasattr(beside, "NAMES") else beside.encoder(given, feature)
    network: nn.Module = made
    return network


def _trunk(family: Any, options: Any, name: str, joined: int, inputs: int) -> nn.Module | None:
    """The family's own; a hidden layer where other families join several inputs; none for a linear model."""
    if hasattr(family, "trunk"):
        made: nn.Module = family.trunk(options, joined)
        return made
    if inputs == 1 or name == "linear":
        return None
    mlp = discover.find("models", "mlp")
    layer: nn.Module = mlp.trunk(mlp.MODEL(depth=1), joined)
    return layer


def _head(family: Any, options: Any, width: int, outputs: int, name: str) -> nn.Module:
    """The family's own, or a linear layer."""
    if hasattr(family, "head"):
        made: nn.Module = family.head(options, width, outputs, name)
        return made
    linear = nn.Linear(width, outputs)
    initial.start(linear, "linear")
    return linear
