"""Tiny encoder-decoders with random weights and tokens of their own, saved as a hub has them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

ENGLISH = ("dogs", "houses", "want", "to", "see", "buy", "we", "you", "twenty", "one", "now")
GERMAN = ("hunde", "häuser", "wollen", "sehen", "kaufen", "wir", "ihr", "zwanzig", "ein", "jetzt")
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß"
MARKS = ("<s>", "</s>", "<unk>")


def pieces(words: Iterable[str]) -> list[tuple[str, float]]:
    """(piece, score) of words, of letters, and of letters that begin a word."""
    known = [("\u2581", -4.0), *((f"\u2581{word}", -5.0 - place / 10) for place, word in enumerate(words))]
    letters = [(start + letter, -8.0 - len(start)) for start in ("", "\u2581") for letter in LETTERS]
    return known + letters


def field(number: int, value: bytes | int | float) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, float):
        return _integer(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _integer(number << 3) + _integer(value)
    return _integer(number << 3 | 2) + _integer(len(value)) + value


def _integer(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _integer(value >> 7)


def file_of_pieces(
    known: Sequence[tuple[str, float, int]], *, kind: int = 1, charsmap: bytes = b"", begins: bool = True
) -> bytes:
    """A file as SentencePiece writes it. known: (piece, score, type)."""
    made = b"".join(field(1, field(1, piece.encode()) + field(2, score) + field(3, one)) for piece, score, one in known)
    trained = field(1, b"news.txt") + field(3, kind) + field(4, len(known)) + field(10, 0.9995)
    tidied = field(1, b"nmt_nfkc") + field(2, charsmap) + field(3, int(begins)) + field(4, 1)
    return made + field(2, trained) + field(3, tidied)


def t5(folder: Path, **options: Any) -> Any:
    """T5 with a tokenizer.json, and with more rows than tokens."""
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    vocab = [(mark, 0.0) for mark in ("<pad>", "</s>", "<unk>")] + pieces([*ENGLISH, *GERMAN, "translate"])
    known = T5Tokenizer(vocab=[*vocab, ("<extra_id_1>", 0.0), ("<extra_id_0>", 0.0)], extra_ids=2)
    known.save_pretrained(folder)
    sizes = {
        "vocab_size": len(known) + 7,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20,
        "decoder_start_token_id": 0,
    }
    return _saved(folder, T5ForConditionalGeneration, T5Config(**{**sizes, **options}))


def marian(folder: Path) -> Any:
    """Marian with source.spm, target.spm and vocab.json; it writes >>deu<< or >>eng<<."""
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir(parents=True, exist_ok=True)
    sides = {"source": pieces(ENGLISH), "target": pieces(GERMAN)}
    for side, known in sides.items():
        marks = [(mark, 0.0, 2 if mark == "<unk>" else 3) for mark in MARKS]
        whole = file_of_pieces([*marks, *((piece, score, 1) for piece, score in known)])
        (folder / f"{side}.spm").write_bytes(whole)
    names = dict.fromkeys(piece for known in sides.values() for piece, _ in known)
    ranked = ["</s>", "<unk>", ">>deu<<", ">>eng<<", *sorted(names), "<pad>"]
    vocabulary = {name: place for place, name in enumerate(ranked)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    last = len(vocabulary) - 1
    config = MarianConfig(
        vocab_size=len(vocabulary),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=64,
        activation_function="swish",
        scale_embedding=True,
        pad_token_id=last,
        decoder_start_token_id=last,
        eos_token_id=0,
        forced_eos_token_id=None,
    )
    return _saved(folder, MarianMTModel, config)


def _saved(folder: Path, kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config).eval()
    for name, parameter in model.named_parameters():
        if "embed_positions" not in name:
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    if hasattr(model, "final_logits_bias"):
        model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return model
