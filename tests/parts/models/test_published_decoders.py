"""Published decoders read as our own say what transformers says, whole and step by step over the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from feilun.core.errors import InputError, RecipeError
from feilun.core.progress import Quiet
from feilun.core.recipe import Lora, Model
from feilun.parts.engine import adapters
from feilun.parts.models import decoder, published_decoders
from feilun.parts.ops import step_graph
from feilun.stages.training import start

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


@pytest.mark.parametrize("name", ["gpt2", "qwen 3"])
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_adapter_of_ours_is_one_of_the_original(tmp_path: Path, name: str) -> None:
    """Where several matrices are one there or here, too."""
    from peft import PeftModel

    theirs, ours = published(tmp_path / "base", CASES[name]), read(tmp_path / "base")
    made = adapters.inject({"main": ours}, Lora(rank=3, alpha=5))
    for weight_name, weight in ours.named_parameters():
        assert weight.requires_grad == (".lora_" in weight_name)
        if weight.requires_grad:
            weight.data.normal_(std=0.2)
    adapters.merge(made, tmp_path)
    folder = tmp_path / adapters.FOLDER
    model = Model(name="decoder", weights="org/name", positions="rotary" if ours.sizes.rotary else "learned")
    start.publish_adapter(folder, model)
    adapted = PeftModel.from_pretrained(theirs, str(folder)).eval()
    text = torch.randint(0, SYMBOLS, (2, 9))
    with torch.no_grad():
        assert torch.allclose(ours(text)["logits"], adapted(text).logits, atol=1e-4)
        with adapted.disable_adapter():
            assert not torch.allclose(ours(text)["logits"], adapted(text).logits, atol=1e-1)


def test_parts_and_halves_of_numbers_are_read(tmp_path: Path) -> None:
    """A model in several files and bfloat16; a part that is missing is named."""
    theirs = published(tmp_path / "whole", CASES["llama"])
    theirs.to(torch.bfloat16).save_pretrained(tmp_path / "parts", max_shard_size="8KB")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "parts", dtype=torch.float32).eval()
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    kept = start.keep(tmp_path / "parts", tmp_path / "kept")
    ours = decoder.build(decoder.MODEL(**published_decoders.options(theirs.config.to_dict())), SYMBOLS, PLACES)
    start.begin({"main": ours}, Model(weights="parts", weights_sha256=kept), {}, tmp_path / "kept", Quiet())
    with torch.no_grad():
        text = torch.randint(0, SYMBOLS, (2, 9))
        assert torch.allclose(ours.eval()(text)["logits"], theirs(text).logits, atol=1e-4)
    last = max((tmp_path / "parts").glob("model-*.safetensors"))
    last.unlink()
    with pytest.raises(InputError, match=last.name):
        start.keep(tmp_path / "parts", tmp_path / "kept")
