"""Published encoder-decoders read as our own say what transformers says, whole and token by token over the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForSeq2SeqLM, MarianConfig, MT5Config, T5Config

from feilun.core.errors import RecipeError
from feilun.parts.models import encoder_decoder, published_translators

SYMBOLS, READ, WRITTEN = 70, 30, 40  # the longest texts outgrow the farthest distance
T5: dict[str, Any] = {
    "vocab_size": SYMBOLS,
    "d_model": 32,
    "d_kv": 12,
    "d_ff": 44,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "decoder_start_token_id": 0,
}
MARIAN: dict[str, Any] = {
    "vocab_size": SYMBOLS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 44,
    "decoder_ffn_dim": 44,
    "max_position_embeddings": 64,
    "scale_embedding": True,
    "pad_token_id": SYMBOLS - 1,
    "decoder_start_token_id": SYMBOLS - 1,
    "eos_token_id": 0,
}
CASES = {
    "t5": T5Config(**T5),
    "t5 1.1": T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "mt5": MT5Config(**T5),
    "marian": MarianConfig(**MARIAN, activation_function="swish"),
    "marian relu": MarianConfig(**MARIAN, activation_function="relu"),
}


def published(folder: Path, config: Any) -> Any:
    """Saved as a hub has it: a tiny model whose every number counts."""
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config).eval()
    if config.model_type == "mt5" or not getattr(config, "scale_decoder_outputs", True):
        model.lm_head.weight = nn.Parameter(torch.randn(SYMBOLS, 32))  # as the real ones have it
    for name, parameter in model.named_parameters():
        if "embed_positions" not in name:
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    if config.model_type == "marian":
        model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return model


def read(folder: Path) -> encoder_decoder.Network:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    options = published_translators.options(config)
    network = encoder_decoder.Network(encoder_decoder.MODEL(**options), SYMBOLS, SYMBOLS)
    tensors = published_translators.renamed(load_file(folder / "model.safetensors"))
    network.load_state_dict({name: one for name, one in tensors.items() if name in network.state_dict()})
    return network.eval()


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_transformers(tmp_path: Path, name: str) -> None:
    """With padding, whole and token by token; 1e-4 for float32 kernels in another order."""
    theirs, ours = published(tmp_path, CASES[name]), read(tmp_path)
    source, prefix = torch.randint(0, SYMBOLS - 1, (2, READ)), torch.randint(0, SYMBOLS - 1, (2, WRITTEN))
    length = torch.tensor([READ, 17])
    mask = (torch.arange(READ) < length[:, None]).long()
    with torch.no_grad():
        there = theirs(input_ids=source, attention_mask=mask, decoder_input_ids=prefix).logits
        assert torch.allclose(ours(source, length, prefix)["logits"], there, atol=1e-4)
        given = encoder_decoder.Encoder(ours)(source, length)
        for place in range(WRITTEN):
            made = encoder_decoder.Step(ours)(prefix[:, place], given["state"], given["memory"], length)
            assert torch.allclose(made["logits"], there[:, place], atol=1e-4)
            given["state"] = made["next_state"]


def test_a_source_with_tags_has_the_same_table_and_tokens_to_write(tmp_path: Path) -> None:
    published(tmp_path, CASES["t5"])
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    options = encoder_decoder.MODEL(**published_translators.options(config))
    network = encoder_decoder.Network(options, SYMBOLS + 2, SYMBOLS).eval()
    length = torch.tensor([2])
    made = network(torch.tensor([[SYMBOLS + 1, 5]]), length, torch.tensor([[2]]))["logits"]
    assert made.shape == (1, 1, SYMBOLS)


def test_what_the_network_does_not_have_is_refused() -> None:
    marian, t5 = CASES["marian"].to_dict(), CASES["t5"].to_dict()
    strange: tuple[tuple[dict[str, Any], str, Any], ...] = (
        (marian, "scale_embedding", False),
        (marian, "share_encoder_decoder_embeddings", False),
        (marian, "normalize_before", True),
        (marian, "decoder_ffn_dim", 7),
        (marian, "activation_function", "mish"),
        (t5, "feed_forward_proj", "gated-relu"),
    )
    for config, key, value in strange:
        with pytest.raises(RecipeError, match=key):
            published_translators.options({**config, key: value})
    for options, words in (({"positions": "sinus"}, "waves"), ({"positions": "distances", "buckets": 3}, "buckets")):
        with pytest.raises(RecipeError, match=words):
            encoder_decoder.Network(encoder_decoder.MODEL(**options), 5, 5)
