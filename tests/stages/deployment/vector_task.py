"""A task of an outside package whose answers are vectors of texts, and its bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tiny_task

from feilun.core import discover, manifest


def _features(recipe: Any) -> dict[str, Any]:
    return {"text": discover.feature("dialogue", columns=("text",), role="text", tokens="characters")}


def _answer(run: Any, inputs: Any, features: Any, state: Any) -> list[Any]:
    tokens = inputs["text"].astype(np.float32)
    facts = np.stack([inputs["text_length"].astype(np.float32), tokens.sum(1), tokens[:, 1]], 1)
    return [{"embedding": vector.tolist()} for vector in run("main", facts=facts)["vectors"]]


TASK = replace(tiny_task.TASK, summary="vectors", features=_features, answer=_answer, options={}, targets=())


def house(home: Path) -> Path:
    """A home with a bundle `vec`."""
    import onnx
    from onnx import TensorProto, helper
    from safetensors.numpy import save_file

    from feilun.core.recipe import Recipe  # not at the top: a task answers without it
    from feilun.parts.bundle import packing, state
    from feilun.parts.store import Store

    made, bundle = home / "made", home / "vec" / "1" / "deployment" / "bundle"
    (made / "graphs").mkdir(parents=True)
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 3]) for name in ("facts", "vectors")]
    graph = helper.make_graph([helper.make_node("Neg", ["facts"], ["vectors"])], "main", sides[:1], sides[1:])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), made / "graphs/main.onnx")
    save_file({"main/none": np.zeros(1, np.float32)}, made / "weights.safetensors")
    state.save(made, {})
    fitted = _features(None)["text"].fit({"text": ["abc 你好"]})
    manifest.write_json(made / "features.json", {"text": {"kind": "dialogue", **fitted.to_json()}})
    packing.pack(
        bundle,
        packing.Parts(
            recipe=Recipe.model_validate({"name": "vec", "task": "vector"}),
            task=discover.task("vector"),
            version=1,
            features=made / "features.json",
            weights=made / "weights.safetensors",
            state=made,
            graphs=made / "graphs",
            about={"chosen": "fp32"},
        ),
    )
    with Store.open(home) as store:
        place, seal = bundle.relative_to(home).as_posix(), manifest.hash_file(bundle / "manifest.json")
        store.register("vec", 1, bundle=place, sha256=seal)
    return home
