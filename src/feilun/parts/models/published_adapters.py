"""LoRA of a published decoder under its published names, so that others can put it onto the original weights."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

NAME = re.compile(r"^base_model\.model\.layers\.(?P<layer>\d+)\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight$")
LLAMA = {
    "attention.query": ("self_attn.q_proj",),
    "attention.key_value": ("self_attn.k_proj", "self_attn.v_proj"),
    "attention.join": ("self_attn.o_proj",),
    "feed_forward.wide": ("mlp.gate_proj", "mlp.up_proj"),
    "feed_forward.narrow": ("mlp.down_proj",),
}
GPT2 = {"attention.join": "attn.c_proj", "feed_forward.wide": "mlp.c_fc", "feed_forward.narrow": "mlp.c_proj"}
WHOLE = "attn.c_attn"  # queries, keys and values of GPT-2 are one matrix: of both changes together


def published(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], *, gpt2: bool
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, adapter_config.json) as peft writes them for the original, from those for our decoder.

    What is one matrix here and two there has the same A and half of B each.
    """
    layers: dict[str, dict[str, dict[str, Tensor]]] = defaultdict(lambda: defaultdict(dict))
    for name, tensor in tensors.items():
        found = NAME.match(name)
        if found:
            layers[found["layer"]][found["module"]][found["side"]] = tensor
    made: dict[str, Tensor] = {}
    for layer, modules in layers.items():
        for module, sides in (_gpt2(modules) if gpt2 else _llama(modules)).items():
            start = f"base_model.model.{'transformer.h' if gpt2 else 'model.layers'}.{layer}.{module}"
            made |= {f"{start}.lora_{side}.weight": tensor.contiguous() for side, tensor in sides.items()}
    targets = sorted({name.split(".lora_")[0].rpartition(".")[2] for name in made})
    twice = {"c_attn": 2} if gpt2 else {}
    told = {
        "target_modules": targets,
        "fan_in_fan_out": gpt2,
        "rank_pattern": {name: times * config["r"] for name, times in twice.items()},
        "alpha_pattern": {name: times * config["lora_alpha"] for name, times in twice.items()},
        "task_type": "CAUSAL_LM",
    }
    return made, {**config, **told}


def _llama(modules: Mapping[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    made: dict[str, dict[str, Tensor]] = {}
    for ours, sides in modules.items():
        parts = sides["B"].chunk(len(LLAMA[ours]))
        made |= {name: {"A": sides["A"].clone(), "B": part} for name, part in zip(LLAMA[ours], parts, strict=True)}
    return made


def _gpt2(modules: Mapping[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Queries come first: [B_q 0; 0 B_kv] [A_q; A_kv] is both changes one below the other."""
    query, rest = modules["attention.query"], modules["attention.key_value"]
    diagonal: Any = torch.block_diag
    both = diagonal(query["B"], rest["B"])
    whole = {"A": torch.cat([query["A"], rest["A"]]), "B": both}
    return {WHOLE: whole, **{theirs: dict(modules[ours]) for ours, theirs in GPT2.items()}}
