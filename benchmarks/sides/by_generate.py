"""A peer of writing: `transformers.generate` over its cache, of the same weights, by name, in its Llama.

Arguments: JSON with weights, prompts (token numbers), new, rounds, end, and the sizes of the network. Prompts of
different lengths are one batch, padded on the left, as its documentation says; sampling is off.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

NAMES = {
    "input_layernorm": "norms.0",
    "post_attention_layernorm": "norms.1",
    "self_attn.q_proj": "attention.query",
    "self_attn.o_proj": "attention.join",
    "mlp.down_proj": "feed_forward.narrow",
}
HALVES = {
    "attention.key_value": ("self_attn.k_proj", "self_attn.v_proj"),
    "feed_forward.wide": ("mlp.gate_proj", "mlp.up_proj"),
}


def network(told: dict[str, Any]) -> LlamaForCausalLM:
    """Ours, layer by layer; what ours has as one matrix is two there."""
    plan = LlamaConfig(
        vocab_size=told["symbols"],
        hidden_size=told["width"],
        intermediate_size=told["inner"],
        num_hidden_layers=told["layers"],
        num_attention_heads=told["heads"],
        num_key_value_heads=told["groups"],
        max_position_embeddings=told["context"],
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
    )
    ours = {name.removeprefix("main/"): value for name, value in load_file(told["weights"]).items()}
    made = {"model.embed_tokens.weight": ours["vectors.weight"], "model.norm.weight": ours["norm.weight"]}
    made["lm_head.weight"] = ours["vectors.weight"]
    for layer in range(told["layers"]):
        for theirs, own in NAMES.items():
            made[f"model.layers.{layer}.{theirs}.weight"] = ours[f"layers.{layer}.{own}.weight"]
        for own, both in HALVES.items():
            for theirs, part in zip(both, ours[f"layers.{layer}.{own}.weight"].chunk(2), strict=True):
                made[f"model.layers.{layer}.{theirs}.weight"] = part.contiguous()
    model = LlamaForCausalLM(plan).eval()
    model.load_state_dict(made)
    return model


def main() -> None:
    """`{tokens: a round, seconds: [of each round], written: token numbers}` as the last line."""
    told = json.loads(sys.argv[1])
    torch.set_num_threads(2)
    model, prompts = network(told), told["prompts"]
    longest = max(map(len, prompts))
    padding = [longest - len(one) for one in prompts]
    given = {
        "input_ids": torch.tensor([[0] * missing + one for missing, one in zip(padding, prompts, strict=True)]),
        "attention_mask": torch.tensor(
            [[0] * missing + [1] * len(one) for missing, one in zip(padding, prompts, strict=True)]
        ),
    }
    plan = {"do_sample": False, "use_cache": True, "pad_token_id": 0, "eos_token_id": told["end"]}
    with torch.inference_mode():
        model.generate(**given, **plan, max_new_tokens=4)
        seconds = []
        for _ in range(told["rounds"]):
            started = time.perf_counter()
            made = model.generate(**given, **plan, max_new_tokens=told["new"])
            seconds.append(time.perf_counter() - started)
    written = [row[: row.index(told["end"])] if told["end"] in row else row for row in made[:, longest:].tolist()]
    print(json.dumps({"tokens": sum(map(len, written)), "seconds": seconds, "written": written}))


if __name__ == "__main__":
    main()
