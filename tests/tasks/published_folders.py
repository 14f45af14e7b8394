"""Tiny models with random weights and tokenizers of their own, saved as a hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

MARKS = ("<|end|>", "<|im_start|>", "<|im_end|>", "<|begin|>")
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXTS = ["Anna has five cats and gives Bo two.", "Anna keeps three cats.", "user assistant system", "今天天气很好"]


def tokenizer(folder: Path, *, template: str | None = TEMPLATE, size: int = 320) -> Tokenizer:
    """Byte-level pieces with marks, as GPT-2, Llama 3 and Qwen have them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    made.add_special_tokens(list(MARKS))
    made.save(str(folder / "tokenizer.json"))
    said: dict[str, Any] = {
        "eos_token": "<|end|>",
        "bos_token": "<|begin|>",
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    return made


def decoder(folder: Path, *, template: str | None = TEMPLATE, **options: Any) -> Any:
    """A Qwen3-shaped model that fits that tokenizer, with more rows than tokens."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    known = tokenizer(folder, template=template)
    torch.manual_seed(0)
    sizes = {
        "vocab_size": known.get_vocab_size() + 5,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 96,
        "bos_token_id": None,
        "eos_token_id": known.token_to_id("<|end|>"),
        "pad_token_id": None,
    }
    model = Qwen3ForCausalLM(Qwen3Config(**{**sizes, **options})).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return model
