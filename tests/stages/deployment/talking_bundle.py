"""Packs bundles that write: small untrained networks that feel every token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from feilun.core import discover, manifest
from feilun.core.recipe import Recipe
from feilun.parts.bundle import packing, state
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.stages.optimization import exporting

ASKED = {"role": "user", "content": "who sat on the mat"}
CHATS = [[ASKED, {"role": "assistant", "content": "the cat 猫 sat on it"}], [{"role": "system", "content": "be kind"}]]
TEXTS = ["the cat 猫 sat on the mat", "a dog ran over the hill"]
FORMS: dict[str, tuple[dict[str, Any], dict[str, list[Any]]]] = {
    "chat": ({"inputs": {"messages": {"kind": "dialogue"}}}, {"messages": CHATS}),
    "text": ({"inputs": {"text": "text"}}, {"text": TEXTS}),
    "question": (
        {"inputs": {"ask": "text", "more": "text"}, "target": "say"},
        dict.fromkeys(("ask", "more", "say"), TEXTS),
    ),
}


def pack(folder: Path, form: str, tokens: str = "bpe") -> Path:
    """The bundle, in a new folder `bundle` there, of a model that takes chats, texts or questions."""
    asked, rows = FORMS[form]
    model = {"name": "decoder", "width": 16, "depth": 1, "heads": 2}
    recipe = Recipe.model_validate({"name": "my", "task": "text_generation", "model": model, **asked})
    options = {"tokens": tokens, "context": 64, "vocabulary": 300}
    named = {name: {**item.model_dump(), **options} for name, item in recipe.inputs.items()}
    recipe = Recipe.model_validate({**recipe.model_dump(), "inputs": named})
    task = discover.task("text_generation")
    features = {name: feature.fit(rows) for name, feature in task.features(recipe).items()}
    with initialised(0):
        networks = task.build(recipe, features)
    for weight in networks["main"].parameters():
        weight.data.mul_(4)
    example = {"text": torch.zeros(2, 5, dtype=torch.int64), "text_length": torch.tensor([5, 3])}
    graphs = task.graphs(networks, example)
    made = folder / "made"
    (made / "graphs").mkdir(parents=True)
    exporting.export(graphs["step"], exporting.path_of(made, "step"))
    save_file({"main/none": torch.zeros(1)}, made / "weights.safetensors")
    state.save(made, task.settle(TorchRunner(graphs), {}, features, recipe))
    kinds = {name: {"kind": feature.kind, **feature.to_json()} for name, feature in features.items()}
    manifest.write_json(made / "features.json", kinds)
    parts = packing.Parts(
        recipe=recipe,
        task=task,
        version=1,
        features=made / "features.json",
        weights=made / "weights.safetensors",
        state=made,
        graphs=made / "graphs",
        about={"chosen": "fp32", "graphs": {"step": exporting.signature(graphs["step"])}},
    )
    packing.pack(folder / "bundle", parts)
    return folder / "bundle"
