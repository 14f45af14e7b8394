"""Bundles that write, for the benchmarks of generation: made once and kept in the cache folder. No benchmark itself.

small is trained for some minutes on the first nine tenths of tinyshakespeare; base is not trained, since only its time
is asked for: it has GPT-2's layers. Both are decoders of ours in their usual shape (rotary positions, root-mean-square
norms, SwiGLU, one table for reading and writing) with 8,000 tokens that are learnt from the same text.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feilun.core import discover
from feilun.core.manifest import write_json
from feilun.core.recipe import Recipe, Train
from feilun.parts.bundle import packing
from feilun.parts.bundle import state as states
from feilun.parts.engine import weights
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning, Run
from feilun.parts.engine.randomness import initialised
from feilun.parts.models import attention, decoder
from feilun.parts.ops import cache_folder
from feilun.stages.optimization import blocks, exporting, quantizing

ROOT = Path(__file__).resolve().parent.parent
CONTEXT, PAGE = 512, 4096
EPOCHS = {"small": 2, "base": 0}
PLAN: dict[str, Any] = {"optimizer": "muon", "learning_rate": 1e-2, "decay": "one_cycle", "batch_size": 8}
LOUD = 3.0  # times as large are weights that are not trained, so that the likeliest token is so by a margin


def bundle(size: str) -> Path:
    """The folder of the bundle: fp32 and int8."""
    code = hashlib.sha256()
    for module in (exporting, quantizing, blocks, decoder, attention, packing):
        code.update(Path(module.__file__).read_bytes())
    code.update(Path(__file__).read_bytes())
    place = cache_folder.place("benchmarks") / f"writer-{size}-{code.hexdigest()[:12]}"
    if not (place / "manifest.json").is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            _made(size, Path(folder))
            (Path(folder) / "bundle").rename(place)
    return place


def pages(*, held_out: bool) -> list[str]:
    """Of the text's last tenth, or of what comes before."""
    folder = (ROOT / os.environ.get("FEILUN_DATA", "../shared/data")).resolve() / "tinyshakespeare"
    text = (folder / "input.txt").read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    part = text[cut:] if held_out else text[:cut]
    return [part[start : start + PAGE] for start in range(0, len(part), PAGE)]


def _made(size: str, folder: Path) -> None:
    task = discover.task("text_generation")
    recipe = Recipe.model_validate(
        {
            "name": f"writer-{size}",
            "task": "text_generation",
            "data": {"source": "input.txt"},
            "inputs": {"text": {"kind": "text", "context": CONTEXT}},
            "model": {"name": "decoder", "size": size},
        }
    )
    rows = {"text": pages(held_out=False)}
    features = {name: feature.fit(rows) for name, feature in task.features(recipe).items()}
    made, _ = task.examples({name: feature.encode(rows) for name, feature in features.items()}, recipe)
    with initialised(0):
        networks = task.build(recipe, features)
    if EPOCHS[size]:
        print(f"training {size}, kept for the next time", file=sys.stderr, flush=True)
        plan, index = Train(epochs=EPOCHS[size], compile="never", **PLAN), Index(train=np.arange(len(made["text"])))
        fit(networks, made, index, Learning(objective=task.objective), plan, Run(seed=0))
    else:
        for weight in networks["main"].parameters():
            weight.data.mul_(LOUD if weight.ndim > 1 else 1.0)
    some = made["text"][0][:12]
    batch = {"text": torch.from_numpy(np.stack([some, some])), "text_length": torch.tensor([12, 7])}
    (folder / "graphs").mkdir()
    [(name, graph)] = task.graphs(networks, batch).items()
    source, target = (exporting.path_of(folder, name, variant) for variant in ("fp32", "int8"))
    exporting.export(graph, source)
    quantizing.quantize(source, target, [], few_rows=True)
    weights.save(networks, folder / "weights.safetensors")
    write_json(folder / "features.json", {name: {"kind": one.kind, **one.to_json()} for name, one in features.items()})
    states.save(folder, task.settle(None, {}, features, recipe))
    about = {"chosen": "fp32", "graphs": {name: exporting.signature(graph)}}
    files = {"features": folder / "features.json", "weights": folder / "weights.safetensors", "state": folder}
    packing.pack(
        folder / "bundle",
        packing.Parts(recipe=recipe, task=task, version=1, graphs=folder / "graphs", about=about, **files),
    )
