"""Own: a network that the user wrote, from a Python file or straight from Python, inside the same loop as ours."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from feilun.core import discover
from feilun.core.errors import FeilunError, RecipeError

ROWS, TOKENS = 2, 5  # of the batch of zeros on which a network is tried before it is trained
EXAMPLE = "def build(inputs, outputs): return torch.nn.Linear(inputs['numbers'][0], outputs)"


@dataclass(frozen=True, kw_only=True)
class Own:
    """Options are written in the file itself. sha256: of the file or the module; filled in."""

    sha256: str = ""


MODEL = Own
KINDS: tuple[str, ...] = ("number", "category", "text", "image", "time", "sequence")


class Network(nn.Module):
    """forward(**batch) -> {output: (B, outputs)}, whatever the user's forward calls its arguments."""

    def __init__(self, network: nn.Module, inputs: Sequence[str], outputs: int, output: str) -> None:
        super().__init__()
        self.network, self.inputs, self.outputs, self.output = network, tuple(inputs), outputs, output
        self.named, self.takes_all = _arguments(network, self.inputs)

    def forward(self, **batch: Tensor) -> dict[str, Tensor]:
        """Arguments by name; a network with one argument gets the only input."""
        if self.takes_all:
            mine = (*self.inputs, *(f"{name}_length" for name in self.inputs if f"{name}_length" in batch))
            made = self.network(**{name: batch[name] for name in mine})
        elif self.named:
            made = self.network(**{name: batch[name] for name in self.named if name in batch})
        else:
            made = self.network(batch[self.inputs[0]])
        return {self.output: self._checked(made, len(batch[self.inputs[0]]))}

    def _checked(self, made: Any, rows: int) -> Tensor:
        if isinstance(made, Mapping) and len(made) == 1:
            made = next(iter(made.values()))
        if isinstance(made, Tensor) and self.outputs == 1 and made.ndim == 1:
            made = made.unsqueeze(1)
        if not isinstance(made, Tensor) or made.ndim != 2 or made.shape[1] != self.outputs:
            got = f"shape {tuple(made.shape)}" if isinstance(made, Tensor) else type(made).__name__
            each = "logit per label" if self.output != "values" else "standardised number per target"
            raise RecipeError(
                f"Your network gave {got} for {rows} rows; expected a tensor ({rows}, {self.outputs}): a {each}. "
                f"Let its last layer have {self.outputs} outputs.",
                where="model",
                expected=f"({rows}, {self.outputs})",
                got=got,
                fix=f"nn.Linear(..., {self.outputs}) as the last layer",
            )
        return made


def whole(features: Mapping[str, Any], inputs: Sequence[str], outputs: int, output: str) -> nn.Module:
    """The user's network, tried on a batch of zeros. Raises RecipeError with what it was given if it fails."""
    shapes = {name: _shape(features[name]) for name in inputs}
    network = _network(discover.own(), shapes, outputs, {name: features[name] for name in inputs})
    made = Network(network, inputs, outputs, output)
    batch = _zeros(features, shapes)
    try:
        with torch.enable_grad():
            (said,) = made.eval()(**batch).values()
    except FeilunError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        given = ", ".join(f"{name} {tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}" for name, x in batch.items())
        raise RecipeError(
            f"Your network failed on {ROWS} rows of zeros: {type(error).__name__}: {error}. It was given: {given}.",
            where="model",
            expected=f"({ROWS}, {outputs})",
            got=f"{type(error).__name__}: {error}",
            fix="let forward take these inputs",
        ) from error
    _check_learns(made, said)
    return made.train()


def _check_learns(made: Network, said: Tensor) -> None:
    """Raises RecipeError for a network that no step of training could change."""
    if not any(weight.requires_grad for weight in made.parameters()):
        got, fix = "has no weights to train", "give it a layer, such as nn.Linear, whose weights require a gradient"
    elif not said.requires_grad:
        got = "gives an output through which no gradient reaches its weights"
        fix = "take detach(), .data, .numpy() and torch.no_grad() out of forward"
    else:
        return
    raise RecipeError(
        f"Your network {got}, so that training could not change it; {fix}.",
        where="model",
        expected="an output that depends on weights that require a gradient",
        got=got,
        fix=fix,
    )


def _network(given: Any, shapes: Mapping[str, tuple[int, ...]], outputs: int, features: Mapping[str, Any]) -> nn.Module:
    """A fresh network: a copy of a module, or what a function or class makes."""
    if isinstance(given, ModuleType):
        given = _from_file(given)
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    offered = {"inputs": dict(shapes), "outputs": outputs, "features": dict(features)}
    wanted = inspect.signature(given).parameters
    missing = [n for n, p in wanted.items() if n not in offered and p.default is p.empty and p.kind not in _REST]
    asked = {name: value for name, value in offered.items() if name in wanted}
    made = None if missing else _called(given, asked)
    if not isinstance(made, nn.Module):
        what = f"asks for {', '.join(missing)}" if missing else f"returned {type(made).__name__}"
        raise RecipeError(
            f"{getattr(given, '__name__', 'The function')} {what}; it may ask for inputs (the shape of each), outputs "
            f"(how many) and features (fitted), and must return an nn.Module. Such as: {EXAMPLE}",
            where="model.file",
            expected="an nn.Module",
            got=what,
            fix=EXAMPLE,
        )
    return made


def _called(build: Any, asked: Mapping[str, Any]) -> Any:
    """What the user's function makes. Raises RecipeError for whatever it raises, sys.exit too."""
    try:
        return build(**asked)
    except FeilunError:
        raise
    except (Exception, SystemExit) as error:
        name, got = getattr(build, "__name__", "The function"), f"{type(error).__name__}: {error}"
        given = ", ".join(f"{key} {value}" for key, value in asked.items() if key != "features")
        raise RecipeError(
            f"{name} of your model failed: {got}. It was given: {given or 'nothing'}. It must return an nn.Module.",
            where="model.file",
            expected="an nn.Module",
            got=got,
            fix=EXAMPLE,
        ) from error


_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _from_file(module: ModuleType) -> Any:
    """`build`, `model`, or the only network class of a user's file."""
    for name in ("build", "model"):
        if hasattr(module, name):
            return getattr(module, name)
    there = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, nn.Module) and item.__module__ == module.__name__
    ]
    if len(there) == 1:
        return there[0]
    names = ", ".join(item.__name__ for item in there) or "none"
    raise RecipeError(
        f"{module.__file__} must have a function `build`, a network `model` or one class of nn.Module; its classes: "
        f"{names}. Such as: {EXAMPLE}",
        where="model.file",
        expected="build, model or one nn.Module class",
        got=names,
        fix=EXAMPLE,
    )


def _arguments(network: nn.Module, inputs: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """(names that forward asks for, whether it takes any); no names where it has one argument and there is one input.

    Raises RecipeError for a name that is no input.
    """
    found = inspect.signature(network.forward).parameters
    takes_all = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in found.values())
    plain = {name: item for name, item in found.items() if item.kind not in _REST}
    known = {*inputs, *(f"{name}_length" for name in inputs)}
    asked = tuple(name for name in plain if name in known)
    needed = [name for name, item in plain.items() if item.default is item.empty and name not in known]
    if takes_all and not needed:
        return asked, True
    if asked and not needed:
        return asked, False
    if not asked and len(inputs) == 1 and len(needed) <= 1 and found:
        return (), False
    raise RecipeError(
        f"forward of your network asks for {', '.join(needed) or 'nothing'}; there are: {', '.join(sorted(known))} "
        "(lengths only of texts and sequences). Name its arguments so.",
        where="model",
        expected=", ".join(inputs),
        got=", ".join(needed) or "nothing",
        fix=f"def forward(self, {', '.join(inputs)})",
    )


def _shape(feature: Any) -> tuple[int, ...]:
    """Shape of one row: numbers (width,), categories (columns,), pictures (channels, height, width), texts (longest,).

    Of a sequence it is the shape of one step, (channels,).
    """
    if feature.kind == "category":
        return (len(feature.columns),)
    if feature.kind == "sequence":
        return (int(feature.channels),)
    if hasattr(feature, "shape"):
        return tuple(feature.shape)
    return (int(feature.width if hasattr(feature, "width") else feature.max_length),)


def _zeros(features: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The smallest batch that every network must take."""
    batch: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        kind = features[name].kind
        whole_numbers = kind in ("category", "text")
        size = (TOKENS,) if kind == "text" else (TOKENS, *shape) if kind == "sequence" else shape
        batch[name] = torch.zeros(ROWS, *size, dtype=torch.int64 if whole_numbers else torch.float32)
        if kind in ("text", "sequence"):
            batch[f"{name}_length"] = torch.full((ROWS,), TOKENS)
    return batch
