"""Matrices as 8-bit integers in blocks: near to what they were, a quarter as large, a shared table there once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from feilun.core.manifest import hash_files
from feilun.core.task import Graph
from feilun.parts.bundle.onnx_runner import OnnxRunner
from feilun.stages.optimization import exporting, quantizing


class Writer(nn.Module):
    """One table reads and writes; between them a matrix whose rows fill no block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table, self.wide, self.narrow = nn.Embedding(500, width), nn.Linear(width, 90), nn.Linear(90, width)

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"logits": self.narrow(self.wide(self.table(tokens)).relu()) @ self.table.weight.T}


@pytest.mark.parametrize(("width", "tables"), [(256, [500 * 256]), (72, [500 * 72, 500 * 80])])
def test_a_step_is_a_quarter_as_large_and_says_nearly_the_same(tmp_path: Path, width: int, tables: list[int]) -> None:
    torch.manual_seed(0)
    tokens = torch.randint(0, 500, (2, 3))
    axes = {"tokens": {0: "rows", 1: "new"}, "logits": {0: "rows", 1: "new"}}
    graph = Graph(module=Writer(width).eval(), inputs={"tokens": tokens}, outputs=("logits",), axes=axes)
    (tmp_path / "graphs").mkdir()
    source, target = (exporting.path_of(tmp_path, "step", variant) for variant in ("fp32", "int8"))
    exporting.export(graph, source)
    assert quantizing.quantize(source, target, [], few_rows=True) == {"how": "blocks"}
    kinds = [node.op_type for node in onnx.load(str(target)).graph.node]
    assert kinds.count("MatMulNBits") == 3 and "MatMul" not in kinds
    sizes = [int(np.prod(one.dims)) for one in onnx.load(str(target)).graph.initializer]
    assert sorted(size for size in sizes if size >= 500 * width) == tables
    assert len(tables) == 2 or target.stat().st_size < 0.3 * source.stat().st_size
    manifest = {"graphs": {"step": {}}, "files": hash_files(tmp_path)}
    asked = np.random.default_rng(0).integers(0, 500, (5, 7))
    exact, near = (OnnxRunner(tmp_path, manifest, kind, 1)("step", tokens=asked)["logits"] for kind in ("fp32", "int8"))
    assert exact.shape == near.shape == (5, 7, 500)
    assert 0 < np.abs(exact - near).max() < 0.03 * np.abs(exact).max()  # 8 bits of two factors
