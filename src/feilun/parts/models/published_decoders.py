"""Published decoders as our own: options of `decoder` from their config.json, and their weights under our names.

So every way of training, writing, shrinking and serving that our decoder has is theirs too. Reads GPT-2, Llama,
Mistral, Qwen2 and Qwen3; torch is imported only where weights are turned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feilun.core.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES = ("gpt2", "llama", "mistral", "qwen2", "qwen3")
ACTIVATIONS = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu", "relu": "relu"}
GATES = {"silu": "swiglu", "swish": "swiglu", "gelu_pytorch_tanh": "geglu", "gelu_new": "geglu"}
LAYER = re.compile(r"^(?:(?:transformer|model)\.)?(?:h|layers)\.(?P<layer>\d+)\.(?P<rest>.+)$")
OUTSIDE = {
    "wte.weight": "vectors.weight",
    "wpe.weight": "places.weight",
    "ln_f.weight": "norm.weight",
    "ln_f.bias": "norm.bias",
    "embed_tokens.weight": "vectors.weight",
    "norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
}
INSIDE = {
    "ln_1": "norms.0",
    "ln_2": "norms.1",
    "input_layernorm": "norms.0",
    "post_attention_layernorm": "norms.1",
    "self_attn.q_proj": "attention.query",
    "self_attn.o_proj": "attention.join",
    "self_attn.q_norm": "attention.query_norm",
    "self_attn.k_norm": "attention.key_norm",
    "mlp.down_proj": "feed_forward.narrow",
}
TOGETHER = {  # ours: theirs, one below the other
    "attention.key_value": ("self_attn.k_proj", "self_attn.v_proj"),
    "feed_forward.wide": ("mlp.gate_proj", "mlp.up_proj"),
}
TURNED = {"attn.c_proj": "attention.join", "mlp.c_fc": "feed_forward.wide", "mlp.c_proj": "feed_forward.narrow"}
THREE = "attn.c_attn"  # queries, keys and values of GPT-2, whose matrices lie on their side


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of our decoder. config: config.json.  Raises RecipeError for what our decoder does not have."""
    found = _gpt2(config) if config["model_type"] == "gpt2" else _llama(config)
    return {**found, "symbols": int(config["vocab_size"])}


def longest(config: Mapping[str, Any]) -> int:
    """How many tokens it may see at once: its places, or the window that its layers look through."""
    places = int(config.get("max_position_embeddings") or config.get("n_positions") or 1024)
    slides = config.get("use_sliding_window", config["model_type"] in ("mistral",))
    window = config.get("sliding_window") if slides or "sliding_attention" in config.get("layer_types", ()) else None
    return min(places, int(window)) if window else places


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors under the names of our decoder; what it does not have, such as buffers of masks, is left out."""
    import torch

    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        found = LAYER.match(name)
        if found is None:
            short = re.sub(r"^(transformer|model)\.", "", name)
            made |= {OUTSIDE[short]: tensor} if short in OUTSIDE else {}
            continue
        place, (rest, kind) = f"layers.{found['layer']}", _parts(found["rest"])
        turned = tensor.T if tensor.ndim == 2 else tensor
        if rest in INSIDE:
            made[f"{place}.{INSIDE[rest]}.{kind}"] = tensor
        elif rest in TURNED:
            made[f"{place}.{TURNED[rest]}.{kind}"] = turned
        elif rest == THREE:
            made[f"{place}.attention.query.{kind}"], *others = turned.chunk(3)
            made[f"{place}.attention.key_value.{kind}"] = torch.cat(others)
    joined = _joined(tensors)
    return {name: tensor.contiguous() for name, tensor in (made | joined).items()}


def is_decoder(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these names are those of a published decoder."""
    return any(LAYER.match(name) and _parts(name)[0].endswith((THREE, "mlp.up_proj")) for name in tensors)


def _joined(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What lies in several matrices there and in one here."""
    import torch

    made = {}
    for name in tensors:
        found = LAYER.match(name)
        for ours, theirs in TOGETHER.items():
            rest, kind = _parts(found["rest"]) if found else ("", "")
            if found and rest == theirs[0]:
                start = name.removesuffix(f"{rest}.{kind}")
                parts = [tensors[f"{start}{one}.{kind}"] for one in theirs]
                made[f"layers.{found['layer']}.{ours}.{kind}"] = torch.cat(parts)
    return made


def _parts(name: str) -> tuple[str, str]:
    """(module, weight or bias)."""
    module, _, kind = name.rpartition(".")
    return module, kind


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    for key in ("scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "add_cross_attention"):
        refuse(config, key, bool(config.get(key)))
    refuse(config, "scale_attn_weights", not config.get("scale_attn_weights", True))
    width = int(config["n_embd"])
    return {
        "width": width,
        "depth": int(config["n_layer"]),
        "heads": int(config["n_head"]),
        "middle": int(config.get("n_inner") or 4 * width),
        "norm": "layer",
        "epsilon": float(config.get("layer_norm_epsilon", 1e-5)),
        "activation": named(config, "activation_function", "gelu_new", ACTIVATIONS),
        "positions": "learned",
        "bias": "all",
        "tied": bool(config.get("tie_word_embeddings", True)),
        "dropout": float(config.get("resid_pdrop", 0.1)),
    }


def _llama(config: Mapping[str, Any]) -> dict[str, Any]:
    kind, width, heads = config["model_type"], int(config["hidden_size"]), int(config["num_attention_heads"])
    biased = bool(config.get("attention_bias"))
    refuse(config, "mlp_bias", bool(config.get("mlp_bias")) and not biased)
    bias = "all" if config.get("mlp_bias") else "attention" if biased else "none"
    return {
        "width": width,
        "depth": int(config["num_hidden_layers"]),
        "heads": heads,
        "groups": int(config.get("num_key_value_heads") or heads),
        "head": int(config.get("head_dim") or width // heads),
        "middle": int(config["intermediate_size"]),
        "norm": "rms",
        "epsilon": float(config.get("rms_norm_eps", 1e-6)),
        "activation": named(config, "hidden_act", "silu", GATES),
        "positions": "rotary",
        **_rotation(config),
        "bias": "looks" if kind == "qwen2" else bias,
        "query_norm": kind == "qwen3",
        "tied": bool(config.get("tie_word_embeddings", False)),
        "dropout": 0.0,
    }


def _rotation(config: Mapping[str, Any]) -> dict[str, Any]:
    """How rotary positions turn: rope_parameters, or in older files rope_theta and rope_scaling."""
    said = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    kind = str(said.get("rope_type", said.get("type", "default")))
    found: dict[str, Any] = {"rotation": float(said.get("rope_theta", config.get("rope_theta", 10_000.0)))}
    if kind == "llama3":
        names = {
            "factor": "factor",
            "low": "low_freq_factor",
            "high": "high_freq_factor",
            "original": "original_max_position_embeddings",
        }
        return {**found, "stretch": {ours: float(said[theirs]) for ours, theirs in names.items()}}
    if kind == "linear":
        return {**found, "stretch": {"factor": float(said["factor"])}}
    refuse({**config, "rope_type": kind}, "rope_type", kind != "default")
    refuse(config, "partial_rotary_factor", float(said.get("partial_rotary_factor", 1.0)) != 1.0)
    return found


def named(config: Mapping[str, Any], key: str, default: str, known: Mapping[str, str]) -> str:
    """What this key says, under our name. Raises RecipeError where we have none."""
    value = str(config.get(key) or default)
    refuse({**config, key: value}, key, value not in known)
    return known[value]


def refuse(config: Mapping[str, Any], key: str, wrong: bool) -> None:
    """Raises RecipeError where this key of config.json says what our models do not have."""
    if wrong:
        kind = config["model_type"]
        raise RecipeError(
            f"config.json of these {kind} weights says {key}: {config.get(key)!r}, which the models here do not "
            "have. Take other weights.",
            where="model.weights",
            expected=f"weights without that {key}",
            got=f"{key}: {config.get(key)!r}",
            fix="take other published weights",
        )
