"""Runs a task's graphs with torch behind the same call that onnxruntime answers in production."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from feilun.core.errors import FeilunError
from feilun.core.task import Graph


class TorchRunner:
    """`run(graph, **arrays) -> {output: ndarray}` over the modules of `task.graphs`: eval mode, no gradients.

    Arrays that a graph does not take are ignored, as a batch may hold more than one graph needs.
    """

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        self._graphs = dict(graphs)

    def __call__(self, graph: str, /, *wanted: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run one graph. Raises FeilunError for an unknown graph or a missing input."""
        if graph not in self._graphs:
            raise FeilunError(f"There is no graph {graph!r}; there are {', '.join(self._graphs)}.")
        piece = self._graphs[graph]
        missing = sorted(piece.inputs.keys() - arrays.keys())
        if missing:
            raise FeilunError(f"Graph {graph!r} needs {', '.join(missing)}; got {', '.join(sorted(arrays))}.")
        piece.module.eval()
        with torch.no_grad():
            outputs = piece.module(**{name: _tensor(arrays[name]) for name in piece.inputs})
        return {name: outputs[name].numpy() for name in wanted or piece.outputs}


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
