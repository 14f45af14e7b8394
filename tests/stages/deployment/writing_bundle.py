"""A real bundle of text generation that learnt a few answers by heart, in bytes, so that characters come in parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_model

from feilun.core import discover, manifest
from feilun.core.recipe import Recipe
from feilun.parts.bundle import packing, state
from feilun.parts.engine.randomness import initialised
from feilun.parts.engine.runner import TorchRunner
from feilun.parts.ops.ragged import collate
from feilun.parts.store import Store
from feilun.stages.optimization import exporting

NAME = "talk"
ANSWERS = {
    "你好": "你好！👍🏽 飞轮转起来了，一天比一天好。",
    "count": "one two three four five six seven eight nine ten",
    "hello": "Hi — naïve café 🎉 and more",
}
TEXTS = ("one two three four five six seven eight nine ten", "飞轮转起来了，一天比一天好。👍🏽")


def dialogues() -> list[list[dict[str, str]]]:
    return [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in ANSWERS.items()
    ]


def recipe(kind: str) -> Recipe:
    """kind: dialogue, or text."""
    return Recipe.model_validate(
        {
            "name": NAME,
            "task": "text_generation",
            "inputs": {"talk": {"kind": kind, "tokens": "bpe", "vocabulary": 263, "context": 128}},
            "model": {"name": "decoder", "width": 64, "depth": 2, "heads": 4, "dropout": 0.0},
        }
    )


def learnt(folder: Path, kind: str = "dialogue") -> Path:
    """A folder of everything that `pack` needs, from one quick training."""
    task, given = discover.task("text_generation"), recipe(kind)
    rows: Mapping[str, list[Any]] = {"talk": dialogues() if kind == "dialogue" else list(TEXTS)}
    features = {name: feature.fit(rows) for name, feature in task.features(given).items()}
    made, _ = task.examples({name: feature.encode(rows) for name, feature in features.items()}, given)
    batch = {name: torch.from_numpy(array) for name, array in collate(made).items()}
    with initialised(0):
        networks = task.build(given, features)
    weights = list(networks["main"].parameters())
    squares = [torch.zeros_like(weight) for weight in weights]
    for _ in range(120):  # RMSprop by hand: torch.optim imports the compiler, which takes longer than all of this
        loss = task.objective(networks, batch, "main").mean()
        for weight, square, gradient in zip(weights, squares, torch.autograd.grad(loss, weights), strict=True):
            square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            weight.data.addcdiv_(gradient, square.sqrt() + 1e-8, value=-0.001)
    example = {"text": torch.zeros(2, 5, dtype=torch.int64), "text_length": torch.tensor([5, 3])}
    graphs = task.graphs(networks, example)
    (folder / "graphs").mkdir(parents=True)
    exporting.export(graphs["step"], folder / "graphs" / "step.onnx")
    save_model(networks["main"], str(folder / "weights.safetensors"))
    state.save(folder, task.settle(TorchRunner(graphs), {}, features, given))
    kinds = {name: {"kind": feature.kind, **feature.to_json()} for name, feature in features.items()}
    manifest.write_json(folder / "features.json", kinds)
    return folder


def house(home: Path, made: Path, kind: str = "dialogue", versions: int = 1) -> Path:
    """A home with so many equal versions; the first is champion."""
    with Store.open(home) as store:
        for version in range(1, versions + 1):
            bundle = home / NAME / str(version) / "deployment" / "bundle"
            packing.pack(
                bundle,
                packing.Parts(
                    recipe=recipe(kind),
                    task=discover.task("text_generation"),
                    version=version,
                    features=made / "features.json",
                    weights=made / "weights.safetensors",
                    state=made,
                    graphs=made / "graphs",
                    about={"chosen": "fp32"},
                ),
            )
            store.register(
                NAME,
                version,
                bundle=bundle.relative_to(home).as_posix(),
                sha256=manifest.hash_file(bundle / "manifest.json"),
            )
    return home
