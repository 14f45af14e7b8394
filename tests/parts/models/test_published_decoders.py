"""Published decoders read as our own say what transformers says, whole and step by step over the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from feilun.core.errors import RecipeError
from feilun.parts.models import decoder, published_decoders
from feilun.parts.ops import step_graph

SYMBOLS, PLACES = 70, 64
SIZES: dict[str, Any] = {
    "vocab_size": SYMBOLS,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": PLACES,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CASES = {
    "gpt2": GPT2Config(
        vocab_size=SYMBOLS, n_positions=PLACES, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2
    ),
    "llama": LlamaConfig(**SIZES, rms_norm_eps=1e-5),
    "llama 3": LlamaConfig(
        **SIZES, head_dim=16, tie_word_embeddings=True, attention_bias=True, rope_parameters=STRETCHED
    ),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "qwen 2": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen 3": Qwen3Config(**SIZES, head_dim=12),
}


def published(folder: Path, config: Any) -> Any:
    """Saved as a hub has it: a tiny model whose every number counts."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return model


def read(folder: Path) -> decoder.Network:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    network = decoder.build(decoder.MODEL(**published_decoders.options(config)), SYMBOLS, PLACES)
    network.load_state_dict(published_decoders.renamed(load_file(folder / "model.safetensors")))
    return network.eval()


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    """Of two lengths, and step by step; 1e-4 for float32 kernels in another order. 50 places outgrow a wave or two."""
    theirs, ours = published(tmp_path, CASES[name]), read(tmp_path)
    with torch.no_grad():
        for places in (7, 50):
            text = torch.randint(0, SYMBOLS, (2, places))
            there = theirs(text).logits
            assert torch.allclose(ours(text)["logits"], there, atol=1e-4)
        sizes = ours.sizes
        cache = torch.zeros(len(ours.layers), 2, 2, sizes.groups, 0, sizes.head)
        past = torch.zeros(2, dtype=torch.int64)
        for start, end in ((0, 20), (20, 21), (21, 24)):
            told = (torch.full((2,), end - start), past, text[:, :0])
            made = decoder.Step(ours)(text[:, start:end], *told, **step_graph.held(cache))
            assert torch.allclose(made["logits"], there[:, end - 1], atol=1e-4)
            cache, past = torch.cat([cache, made["fresh"]], 4), past + end - start


def test_older_files_say_the_same_with_other_keys() -> None:
    config = {**CASES["llama 3"].to_dict(), "rope_theta": 500000.0}
    new = published_decoders.options(config)
    rope = config.pop("rope_parameters")
    config["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    assert published_decoders.options(config) == new
    assert new["stretch"] == {"factor": 8.0, "low": 1.0, "high": 4.0, "original": 32.0}


def test_a_window_bounds_the_context_and_the_rest_is_refused() -> None:
    assert published_decoders.longest(MistralConfig(**SIZES, sliding_window=16).to_dict()) == 16
    assert published_decoders.longest(Qwen2Config(**SIZES).to_dict()) == PLACES
    config = CASES["llama"].to_dict()
    strange: tuple[dict[str, Any], ...] = (
        {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
        {"hidden_act": "relu2"},
        {"mlp_bias": True},
    )
    for changed in strange:
        with pytest.raises(RecipeError, match=next(iter(changed)).replace("rope_parameters", "rope_type")):
            published_decoders.options({**config, **changed})


def test_names_decide_whose_weights_they_are(tmp_path: Path) -> None:
    for name in ("gpt2", "qwen 3"):
        published(tmp_path / name, CASES[name])
        assert published_decoders.is_decoder(load_file(tmp_path / name / "model.safetensors"))
    save_file({"encoder.layer.0.attention.self.query.weight": torch.zeros(2, 2)}, tmp_path / "other")
    assert not published_decoders.is_decoder(load_file(tmp_path / "other"))
