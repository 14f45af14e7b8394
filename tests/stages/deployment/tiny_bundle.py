"""Packs real bundles of the tiny task, by hand, and registers them in a store."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from feilun.core import discover, manifest
from feilun.core.recipe import Recipe
from feilun.parts.bundle import packing, state
from feilun.parts.store import Store

HERE = Path(__file__).resolve().parent
ROW = {"width": 1.0, "height": 2.0}


@contextmanager
def installed(folder: Path) -> Iterator[dict[str, str]]:
    """The tiny task as an installed package; yields the environment in which other processes find it too."""
    info = folder / "tiny-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[feilun.tasks]\ntiny = tiny_task:TASK\nvector = vector_task:TASK\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    discover._names.cache_clear()
    try:
        yield {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HERE)]), "OMP_NUM_THREADS": "1"}
    finally:
        sys.path.remove(str(folder))
        discover._names.cache_clear()


def pack(bundle: Path, version: int, bias: float = 0.0) -> None:
    """A bundle whose answer is plus where width + height + bias > 0 after scaling."""
    made = bundle.parent / f"made-{version}"
    (made / "graphs").mkdir(parents=True)
    weights = np.ones((2, 1), np.float32)
    rows = {"width": [-2.0, 0.0, 2.0], "height": [-1.0, 0.0, 1.0]}
    feature = discover.feature("number", columns=("width", "height"), transform="standard").fit(rows)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["numbers", "weights"], ["logits"])],
        "main",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["rows", feature.encode(rows).shape[1]])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), made / "graphs/main.onnx"
    )
    save_file({"main/weights": weights}, made / "weights.safetensors")
    state.save(made, {"bias": np.array([bias], np.float64), "words": "状态"})
    manifest.write_json(made / "features.json", {"numbers": {"kind": "number", **feature.to_json()}})
    (made / "card.md").write_text("# tiny\n")
    packing.pack(
        bundle,
        packing.Parts(
            recipe=Recipe.model_validate({"name": "my", "task": "tiny", "target": "sign"}),
            task=discover.task("tiny"),
            version=version,
            features=made / "features.json",
            weights=made / "weights.safetensors",
            state=made,
            graphs=made / "graphs",
            about={"chosen": "fp32"},
            card=made / "card.md",
        ),
    )


def house(home: Path, versions: int = 1) -> Path:
    """A home with so many versions of `my`, each biased further to plus; the first is champion."""
    with Store.open(home) as store:
        for version in range(1, versions + 1):
            bundle = home / "my" / str(version) / "deployment" / "bundle"
            pack(bundle, version, bias=version * 0.5)
            store.register(
                "my",
                version,
                bundle=bundle.relative_to(home).as_posix(),
                sha256=manifest.hash_file(bundle / "manifest.json"),
            )
    return home
