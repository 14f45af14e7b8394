"""The networks as ONNX graphs, with the task's own names, each checked against PyTorch on other sizes and lengths."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from feilun.core.errors import FeilunError
from feilun.core.manifest import hash_files
from feilun.parts.bundle.onnx_runner import FP32, SUFFIX, OnnxRunner

if TYPE_CHECKING:
    from feilun.core.task import Graph

OPSET = 17  # the first with LayerNormalization as one operator
TOLERANCE = 1e-4  # absolute plus relative; two orders above what float32 kernels of the two libraries differ by


def export(graph: Graph, path: Path) -> None:
    """Write one graph. Names of inputs and outputs may be any text, such as column names with dots or in Chinese."""
    names = [*graph.inputs, *graph.outputs]
    plain = {name: f"name_{place}" for place, name in enumerate(names)}  # the exporter takes identifiers only
    inputs, outputs = [plain[name] for name in graph.inputs], [plain[name] for name in graph.outputs]
    with _quiet():
        torch.onnx.export(
            _Positional(graph.module, tuple(graph.inputs), tuple(graph.outputs)).eval(),
            tuple(graph.inputs.values()),
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={plain[name]: dict(axes) for name, axes in graph.axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    _rename(model, {short: name for name, short in plain.items()})
    onnx.save(model, str(path))


def check(folder: Path, shapes: Sequence[Mapping[str, Graph]]) -> dict[str, float]:
    """{graph: largest difference from PyTorch} over these example inputs; every file of `folder/graphs` is run.

    shapes: what `task.graphs` made of batches of other sizes and lengths than the one exported.
    Raises FeilunError if onnxruntime refuses a shape, or differs by more than TOLERANCE.
    """
    run = OnnxRunner(folder, {"graphs": dict.fromkeys(shapes[0]), "files": hash_files(folder)}, FP32)
    worst = dict.fromkeys(shapes[0], 0.0)
    for graphs in shapes:
        for name, graph in graphs.items():
            got = _answered(run, name, graph)
            with torch.no_grad():
                expected = graph.module(**graph.inputs)
            for output in graph.outputs:
                worst[name] = max(worst[name], _difference(name, output, expected[output].numpy(), got[output]))
    return worst


def path_of(folder: Path, graph: str, variant: str = FP32) -> Path:
    """Where a graph's file lies."""
    return folder / "graphs" / f"{graph}{SUFFIX[variant]}"


def signature(graph: Graph) -> dict[str, Any]:
    """Inputs with type and axes, and outputs, as JSON. An axis is its name where it may change, else its size."""

    def described(name: str, tensor: Tensor) -> dict[str, Any]:
        named = graph.axes.get(name, {})
        axes = [named.get(axis, size) for axis, size in enumerate(tensor.shape)]
        return {"dtype": str(tensor.dtype).removeprefix("torch."), "axes": axes}

    return {"inputs": {name: described(name, x) for name, x in graph.inputs.items()}, "outputs": list(graph.outputs)}


class _Positional(nn.Module):
    """Inputs by position and outputs as a tuple, as the exporter wants them."""

    def __init__(self, module: nn.Module, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.inputs, self.outputs = module, inputs, outputs

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        made = self.module(**dict(zip(self.inputs, values, strict=True)))
        return tuple(made[name] for name in self.outputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's known warnings; what they fear is what `check` looks for."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings("ignore", "Exporting a model to ONNX with a batch_size other than 1", UserWarning)
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1", UserWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield


def _rename(model: Any, names: Mapping[str, str]) -> None:
    """Give inputs and outputs their names everywhere; an inner value that happens to have such a name steps aside."""
    taken = set(names.values())

    def new(name: str) -> str:
        return names.get(name) or (f"{name}/inner" if name in taken else name)

    def walk(graph: Any) -> None:
        for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            value.name = new(value.name)
        for node in graph.node:
            node.input[:] = [new(name) if name else name for name in node.input]
            node.output[:] = [new(name) if name else name for name in node.output]
            for attribute in node.attribute:
                for inner in [attribute.g, *attribute.graphs] if attribute.HasField("g") else attribute.graphs:
                    walk(inner)

    walk(model.graph)


def _answered(run: OnnxRunner, name: str, graph: Graph) -> dict[str, np.ndarray]:
    try:
        return run(name, **{key: tensor.numpy() for key, tensor in graph.inputs.items()})
    except FeilunError as error:
        sizes = {key: tuple(tensor.shape) for key, tensor in graph.inputs.items()}
        raise FeilunError(
            f"The exported graph {name!r} refuses inputs that PyTorch takes, {sizes}: {error} Name every axis that "
            "may change in the graph's `axes`, and compute no shape with Python numbers in `forward`.",
            where=name,
        ) from error


def _difference(graph: str, output: str, expected: np.ndarray, got: np.ndarray) -> float:
    """The largest absolute difference. Raises FeilunError if shapes differ or it is over the tolerance.

    Which grows with the largest number of a vector (the last axis): small ones beside it are what is left of large
    ones, whose last digits are theirs.
    """
    if expected.shape != got.shape:
        raise FeilunError(
            f"Graph {graph!r}, output {output!r}: PyTorch gives shape {expected.shape}, onnxruntime {got.shape}. An "
            "axis was frozen in the export; compute it from tensors in `forward`.",
            where=graph,
        )
    exact, near = expected.astype(np.float64), got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.where(exact == near, 0.0, np.abs(exact - near))  # two equal infinities do not differ
        sizes = np.where(np.isfinite(exact), np.abs(exact), 0.0)
        allowed = TOLERANCE * (1 + (sizes.max(-1, keepdims=True, initial=0.0) if sizes.ndim > 1 else sizes))
    if not (gap <= allowed).all():  # NaN counts as a difference
        raise FeilunError(
            f"Graph {graph!r}, output {output!r}: onnxruntime differs from PyTorch by {gap.max():.3g} at shape "
            f"{expected.shape}; allowed is {TOLERANCE:g}. The network does something that the export froze or that "
            "is random.",
            where=graph,
        )
    return float(gap.max(initial=0.0))
