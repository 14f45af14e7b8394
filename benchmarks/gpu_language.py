"""Claim: a GPU trains GPT-2's 124 million numbers at 45 % of what its tensor cores can do in bf16.

python benchmarks/gpu_language.py [--runs 5]      says so and measures nothing where there is no NVIDIA GPU

Our decoder in GPT-2's shape (12 layers, width 768, 12 heads, context 1,024, learned positions, layer norms, GELU, one
table for reading and writing of 50,304 symbols, no biases) through `fit`: bf16 autocast, AdamW, clipping, compiled;
batches of 64 windows, everything in it counted but compiling. Floating-point operations a token, forward and backward:
6 N + 12 layers x width x context (Chowdhery et al. 2022, appendix B), N without the table of positions. 100 % is the
datasheet's figure for dense bf16. A run is an epoch.

Published for comparison: llm.c trained this shape on 10 billion tokens with eight H100s (the same peak) in 45 minutes,
463,000 tokens/s on each, as the README of modded-nanogpt says.

Reported beside it: the same without compiling, torch.mm, and LoRA (rank 16) of a Llama-shaped network of 1.24 billion
numbers (transformers, random weights), 4 N + 12 layers x width x context a token. Nothing as small is published of
LoRA on this chip; full training of such a network on H100s: 42,000 tokens/s on each (nanotron, in the Smol Training
Playbook).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import record
from feilun.core.recipe import Lora, Train
from feilun.parts.engine import adapters
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.models import decoder

PEAKS = {"H100": 989.5, "H200": 989.5, "A100": 312.0}  # TFLOP/s, dense bf16, by NVIDIA's datasheets
TARGET = 0.45
GPT2 = decoder.MODEL(size="base", norm="layer", activation="gelu", positions="learned", dropout=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A network and what it is given. work: floating-point operations a token."""

    network: nn.Module
    symbols: int
    context: int
    batch: int
    work: float
    steps: int = 30  # an epoch


def gpt2() -> Case:
    """124 million numbers."""
    network = decoder.build(GPT2, symbols=50_304, longest=1024)
    numbers = sum(p.numel() for p in network.parameters()) - network.places.weight.numel()  # type: ignore[union-attr]
    return Case(network=network, symbols=50_304, context=1024, batch=64, work=6 * numbers + 12 * 12 * 768 * 1024)


class Llama(nn.Module):
    """As transformers builds one, with random weights."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        sizes = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}
        with torch.device("cuda"):
            self.inner = LlamaForCausalLM(
                LlamaConfig(vocab_size=128_256, num_key_value_heads=8, tie_word_embeddings=True, **sizes)
            )

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """(B, T) -> logits (B, T, symbols)."""
        return {"logits": self.inner(input_ids=tokens, use_cache=False).logits}


def llama() -> Case:
    """1.24 billion numbers, of which LoRA's learn: the head stands still too."""
    network = Llama()
    numbers = sum(p.numel() for p in network.parameters())
    adapters.inject({"main": network}, Lora(rank=16, alpha=32))
    network.inner.lm_head.weight.requires_grad_(False)
    work = 4 * numbers + 12 * 16 * 2048 * 2048
    return Case(network=network, symbols=128_256, context=2048, batch=8, work=work, steps=10)


def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
    """Of each row, (B,)."""
    return decoder.loss(networks[player], batch, lambda a, b: nn.functional.cross_entropy(a, b, reduction="none"))


def reached(case: Case, runs: int, **plan: Any) -> list[float]:
    """TFLOP/s of each epoch but the first, which compiles and finds its kernels."""
    drawn = np.random.default_rng(0)
    text = drawn.integers(0, case.symbols, (case.steps * case.batch, case.context + 1))
    told = Train(
        epochs=runs + 1, batch_size=case.batch, precision="bf16", patience=None, learning_rate=6e-4, clip=1.0, **plan
    )
    started = time.perf_counter()
    learning, index = Learning(objective=objective), Index(train=np.arange(len(text)))
    done = fit({"main": case.network}, {"text": text}, index, learning, told)
    speeds = [point["rows_per_s"] * case.context for point in done.curves[1:]]
    print(
        f"{statistics.median(speeds):,.0f} tokens/s, loss {done.curves[0]['loss']:.3f} to {done.curves[-1]['loss']:.3f}"
        f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, {time.perf_counter() - started:.0f} s in all",
        flush=True,
    )
    torch.cuda.reset_peak_memory_stats()
    return [speed * case.work / 1e12 for speed in speeds]


def product(runs: int) -> list[float]:
    """TFLOP/s of torch.mm of two 8,192 x 8,192 matrices in bf16, the mean of ten each time."""
    one, other = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    found = []
    for _ in range(runs + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(10):
            torch.mm(one, other)
        torch.cuda.synchronize()
        found.append(10 * 2 * 8192**3 / (time.perf_counter() - started) / 1e12)
    return found[1:]


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/gpu_language.json."""
    parser = argparse.ArgumentParser(description="GPT-2 and a larger Llama on a GPU.")
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args(arguments).runs
    if not torch.cuda.is_available():
        print("gpu_language: no NVIDIA GPU here; the committed results stay as they are.")
        return 0
    name = torch.cuda.get_device_name()
    peak = next((value for kind, value in PEAKS.items() if kind in name), None)
    if peak is None:
        print(f"gpu_language: what {name} can do in bf16 is not listed here: add it to PEAKS.", file=sys.stderr)
        return 2
    measured = {
        "GPT-2 124M, bf16, compiled": reached(gpt2(), runs, compile="always"),
        "GPT-2 124M, bf16, not compiled": reached(gpt2(), runs, compile="never"),
        "LoRA of a Llama-shaped 1.24B, bf16": reached(llama(), runs, compile="never"),
        "torch.mm, 8,192 x 8,192, bf16": product(runs),
    }
    claim = next(iter(measured))
    lines = [
        record.line(
            f"share of the peak on {name}: {words}",
            found,
            [peak] * len(found),
            unit="TFLOP/s, more is better",
            target=f"ratio >= {TARGET:g}" if words == claim else "reported",
            met=statistics.median(found) >= TARGET * peak if words == claim else None,
        )
        for words, found in measured.items()
    ]
    for line in lines:
        print(f"{line['claim']:78} {line['ours']:8.1f} {line['peer']:8.1f} {line['ratio_median']:6.3f} {line['met']}")
    record.write("gpu_language", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
