"""Published encoder-decoders as our own: options of `encoder_decoder` from their config.json, weights under our names.

Reads T5, mT5 and Marian; torch is imported only where weights are turned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feilun.parts.models.published_decoders import named, refuse

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES = ("t5", "mt5", "marian")
T5_ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "silu": "silu",
    "gated-gelu": "geglu",  # the tangent form, whatever the name says
    "gated-silu": "swiglu",
}
MARIAN_ACTIVATIONS = {"swish": "silu", "silu": "silu", "relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh"}
MARIAN_SAYS = {  # keys of older files, and what Marian is
    "scale_embedding": True,
    "share_encoder_decoder_embeddings": True,
    "static_position_embeddings": True,
    "tie_word_embeddings": True,
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "add_bias_logits": False,
}
LAYER = re.compile(
    r"^(?:model\.)?(?P<side>encoder|decoder)\.(?:block|layers)\.(?P<layer>\d+)\.(?P<rest>.+)\.(?P<kind>weight|bias)$"
)
SIDES = {"encoder": "reading", "decoder": "writing"}
OUTSIDE = {
    "shared.weight": "target_vectors.weight",
    "lm_head.weight": "head.weight",
    "final_logits_bias": "shift.bias",
    "encoder.final_layer_norm.weight": "read_norm.weight",
    "decoder.final_layer_norm.weight": "norm.weight",
}
DISTANCES = "SelfAttention.relative_attention_bias"
LAST = 2  # number of T5's feed-forward part where a layer looks at another text, else one less
INSIDE = {
    "SelfAttention.q": "attention.query",
    "SelfAttention.o": "attention.join",
    "EncDecAttention.q": "cross.query",
    "EncDecAttention.o": "cross.join",
    "DenseReluDense.wi": "feed_forward.wide",
    "DenseReluDense.wo": "feed_forward.narrow",
    "self_attn.q_proj": "attention.query",
    "self_attn.out_proj": "attention.join",
    "encoder_attn.q_proj": "cross.query",
    "encoder_attn.out_proj": "cross.join",
    "fc1": "feed_forward.wide",
    "fc2": "feed_forward.narrow",
    "self_attn_layer_norm": "norms.0",
    "encoder_attn_layer_norm": "norms.1",
}
TOGETHER = {  # the first of two that are one here: (the second, ours)
    "SelfAttention.k": ("SelfAttention.v", "attention.key_value"),
    "EncDecAttention.k": ("EncDecAttention.v", "cross.key_value"),
    "DenseReluDense.wi_0": ("DenseReluDense.wi_1", "feed_forward.wide"),
    "self_attn.k_proj": ("self_attn.v_proj", "attention.key_value"),
    "encoder_attn.k_proj": ("encoder_attn.v_proj", "cross.key_value"),
}


def options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of our encoder_decoder. config: config.json.  Raises RecipeError for what it does not have."""
    return {**(_marian(config) if config["model_type"] == "marian" else _t5(config)), "shared": True}


def is_translator(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these names are those of a published encoder-decoder."""
    return any(name.removeprefix("model.") == "shared.weight" for name in tensors)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors under the names of our network; the head, where they have none, is the table."""
    import torch

    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        found = LAYER.match(name)
        if found is None:
            short = name.removeprefix("model.")
            made |= {OUTSIDE[short]: tensor.flatten() if tensor.shape[0] == 1 else tensor} if short in OUTSIDE else {}
            continue
        side, kind, rest = found["side"], found["kind"], re.sub(r"^layer\.\d+\.", "", found["rest"])
        place = f"{SIDES[side]}.{found['layer']}"
        if rest == DISTANCES:
            made[f"{'read_' if side == 'encoder' else ''}distances.numbers.weight"] = tensor
        elif rest in INSIDE:
            made[f"{place}.{INSIDE[rest]}.{kind}"] = tensor
        elif rest in TOGETHER:
            second, ours = TOGETHER[rest]
            both = [tensor, tensors[name.replace(f"{rest}.", f"{second}.")]]
            made[f"{place}.{ours}.{kind}"] = torch.cat(both)
        elif rest.endswith("layer_norm"):  # T5's stand by number, Marian's before the feed-forward part has no own name
            number = re.match(r"layer\.(\d+)", found["rest"])
            made[f"{place}.norms.{number[1] if number else LAST - (side == 'encoder')}.{kind}"] = tensor
    return {"head.weight": made["target_vectors.weight"], **made}


def _t5(config: Mapping[str, Any]) -> dict[str, Any]:
    scaled = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    return {
        "width": int(config["d_model"]),
        "depth": int(config["num_layers"]),
        "writing": int(config.get("num_decoder_layers") or config["num_layers"]),
        "heads": int(config["num_heads"]),
        "head": int(config["d_kv"]),
        "middle": int(config["d_ff"]),
        "norm": "rms",
        "epsilon": float(config.get("layer_norm_epsilon", 1e-6)),
        "activation": named(config, "feed_forward_proj", "relu", T5_ACTIVATIONS),
        "positions": "distances",
        "buckets": int(config.get("relative_attention_num_buckets", 32)),
        "farthest": int(config.get("relative_attention_max_distance", 128)),
        "tied": bool(scaled) and config["model_type"] == "t5",
        "dropout": float(config.get("dropout_rate", 0.1)),
    }


def _marian(config: Mapping[str, Any]) -> dict[str, Any]:
    for key, right in MARIAN_SAYS.items():
        refuse(config, key, config.get(key, right) != right)
    for name in ("attention_heads", "ffn_dim"):
        refuse(config, f"decoder_{name}", config[f"decoder_{name}"] != config[f"encoder_{name}"])
    return {
        "width": int(config["d_model"]),
        "depth": int(config["encoder_layers"]),
        "writing": int(config["decoder_layers"]),
        "heads": int(config["encoder_attention_heads"]),
        "middle": int(config["encoder_ffn_dim"]),
        "norm": "layer",
        "norm_last": True,
        "activation": named(config, "activation_function", "gelu", MARIAN_ACTIVATIONS),
        "bias": "all",
        "positions": "waves",
        "shift": True,
        "dropout": float(config.get("dropout", 0.1)),
    }
