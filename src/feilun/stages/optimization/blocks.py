"""Weights as 8-bit integers in blocks, each with a scale of its own, for graphs that multiply few rows at a time.

A step that writes a token reads every weight for a row or eight: it takes as long as the weights take to come from
memory. `MatMulNBits` of onnxruntime reads a quarter of the bytes and multiplies integers; docs/decisions/0009.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

DOMAIN = "com.microsoft"
BLOCKS = (128, 64, 32, 16)  # numbers that share a scale: the most that fill the rows of a matrix with little room left
ROOM = 1.1  # times as many rows, at most
MIDDLE = 128  # of the unsigned integers, which means 0
INTEGERS = 4  # onnxruntime's accuracy_level: what comes in is made 8-bit integers too


def quantize(source: Path, target: Path) -> int:
    """Write the graph with such matrices; -> how many. Where the table of tokens also writes them, it is there once."""
    model = onnx.load(str(source))
    graph = model.graph
    weights = {one.name: one for one in graph.initializer}
    packed: dict[str, _Packed] = {}
    nodes: list[Any] = []
    for node in graph.node:
        name = node.input[1] if node.op_type == "MatMul" else ""
        matrix = numpy_helper.to_array(weights[name]) if name in weights else np.zeros(0)
        if matrix.ndim == 2 and matrix.dtype == np.float32 and len(matrix) >= BLOCKS[-1]:
            if name not in packed:
                packed[name] = _Packed(name, matrix)
                graph.initializer.extend(packed[name].tensors())
            nodes.append(packed[name].product(node))
        else:
            nodes.append(node)
    ranks = {one.name: len(one.type.tensor_type.shape.dim) for one in (*graph.input, *graph.value_info)}
    nodes = [part for node in nodes for part in _looked_up(node, weights, packed, ranks)]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input} | {one.name for one in graph.output}
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    if packed and DOMAIN not in {one.domain for one in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    onnx.save(model, str(target))
    return len(packed)


class _Packed:
    """A matrix (K, N) as integers (N, blocks, block) and their scales (N, blocks)."""

    def __init__(self, name: str, matrix: np.ndarray) -> None:
        self.name, self.matrix = name, matrix
        rows, columns = matrix.shape
        whole = {size: -(-rows // size) * size for size in BLOCKS}
        self.block = next((size for size in BLOCKS if whole[size] <= ROOM * rows), BLOCKS[-1])
        padded = np.zeros((columns, whole[self.block]), np.float32)
        padded[:, :rows] = matrix.T
        parts = padded.reshape(columns, -1, self.block)
        scale = np.abs(parts).max(2) / (MIDDLE - 1)
        self.scales = np.where(scale > 0, scale, 1).astype(np.float32)
        self.integers = (np.rint(parts / self.scales[..., None]) + MIDDLE).astype(np.uint8)

    def tensors(self) -> list[Any]:
        named = {f"{self.name}/integers": self.integers, f"{self.name}/scales": self.scales}
        return [numpy_helper.from_array(values, name) for name, values in named.items()]

    def product(self, node: Any) -> Any:
        """What stands in for `node`, a product with this matrix."""
        inputs = [node.input[0], f"{self.name}/integers", f"{self.name}/scales"]
        rows, columns = self.matrix.shape
        sizes = {"K": rows, "N": columns, "bits": 8, "block_size": self.block, "accuracy_level": INTEGERS}
        return helper.make_node("MatMulNBits", inputs, list(node.output), name=node.name, domain=DOMAIN, **sizes)


def _looked_up(node: Any, weights: dict[str, Any], packed: dict[str, _Packed], ranks: dict[str, int]) -> list[Any]:
    """Rows that `node` takes from a table, from the matrix that is the same table on its side; else `node` itself."""
    if node.op_type != "Gather" or node.input[0] not in weights or node.input[1] not in ranks:
        return [node]
    table = numpy_helper.to_array(weights[node.input[0]])
    one = next((one for one in packed.values() if np.array_equal(one.matrix.T, table)), None)
    if one is None or len(one.matrix) % one.block:
        return [node]
    made, asked = node.output[0], node.input[1]
    values = {
        "middle": np.array(MIDDLE, np.float32),
        "last": np.array([-1]),
        "shape": np.array([0] * ranks[asked] + [-1]),  # 0: as it is
    }
    steps = [
        ("Gather", (f"{one.name}/integers", asked), "integers", {}),
        ("Cast", (f"{made}/integers",), "numbers", {"to": onnx.TensorProto.FLOAT}),
        ("Sub", (f"{made}/numbers", f"{made}/middle"), "centred", {}),
        ("Gather", (f"{one.name}/scales", asked), "scale", {}),
        ("Unsqueeze", (f"{made}/scale", f"{made}/last"), "scales", {}),
        ("Mul", (f"{made}/centred", f"{made}/scales"), "parts", {}),
    ]
    constants = [
        helper.make_node("Constant", [], [f"{made}/{name}"], value=numpy_helper.from_array(value))
        for name, value in values.items()
    ]
    nodes = [helper.make_node(kind, inputs, [f"{made}/{name}"], **more) for kind, inputs, name, more in steps]
    return [*constants, *nodes, helper.make_node("Reshape", [f"{made}/parts", f"{made}/shape"], [made])]
