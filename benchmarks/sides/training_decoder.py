"""Tokens a second of training one decoder. Arguments: JSON with side, symbols, context, batch, steps, text (a file).

The same sizes on every side (Llama's shape: 6 layers of 256, 8 heads, SwiGLU with 680 in the middle, one table), random
windows of the same text, AdamW at 1e-3, gradients clipped at 1, fp32. The sides:
fit: ours, as `feilun run` does it. loop: written by hand with torch's fused attention, norm and optimizer. trainer: the
Trainer and Llama of Hugging Face, its fused AdamW, nothing saved and nothing logged.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, LAYERS, HEADS, INNER, RATE = 256, 6, 8, 680, 1e-3
WARM = 3  # steps that do not count


class Clock:
    """Seconds of all steps but the first few. A class because the clock lives between steps."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def stepped(self) -> None:
        """A step is done."""
        self.ends.append(time.perf_counter())

    def rate(self, told: Mapping[str, Any]) -> float:
        """Tokens a second."""
        tokens = told["batch"] * told["context"] * (len(self.ends) - 1 - WARM)
        return float(tokens / (self.ends[-1] - self.ends[WARM]))


def by_fit(told: Mapping[str, Any], windows: np.ndarray) -> float:
    """Ours. A step is over where the next batch's objective begins."""
    from feilun.core.recipe import Train
    from feilun.parts.engine import losses
    from feilun.parts.engine.fit import fit
    from feilun.parts.engine.plan import Index, Learning, Run
    from feilun.parts.engine.randomness import initialised
    from feilun.parts.models import decoder
    from feilun.parts.ops.ragged import Ragged

    with initialised(0):
        network = decoder.build(decoder.MODEL(size="small", dropout=0.0), told["symbols"], told["context"])
    clock = Clock()

    def objective(networks: Mapping[str, Callable[..., Any]], batch: Mapping[str, Tensor], player: str) -> Tensor:
        clock.stepped()
        return decoder.loss(networks[player], batch, losses.cross_entropy)

    plan = {"optimizer": "adamw", "learning_rate": RATE, "clip": 1.0, "compile": "never"}
    train = Train(epochs=1, batch_size=told["batch"], patience=None, **plan)
    index = Index(train=np.arange(len(windows)))
    fit({"main": network}, {"text": Ragged.of(list(windows))}, index, Learning(objective=objective), train, Run())
    clock.stepped()
    return clock.rate(told)


class Layer(nn.Module):
    """As one would write it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.RMSNorm(WIDTH, eps=1e-6), nn.RMSNorm(WIDTH, eps=1e-6)
        self.looked, self.joined = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide, self.narrow = nn.Linear(WIDTH, 2 * INNER, bias=False), nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, state: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        rows, tokens, _ = state.shape
        parts = self.looked(self.first(state)).view(rows, tokens, 3, HEADS, WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        query, key = (_turned(part, cosine, sine) for part in (query, key))
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        state = state + self.joined(seen.transpose(1, 2).reshape(rows, tokens, WIDTH))
        gate, inner = self.wide(self.second(state)).chunk(2, -1)
        made: Tensor = state + self.narrow(functional.silu(gate) * inner)
        return made


class ByHand(nn.Module):
    """Tokens int64 (B, T) -> logits (B, T, symbols)."""

    def __init__(self, symbols: int, context: int) -> None:
        super().__init__()
        self.vectors, self.norm = nn.Embedding(symbols, WIDTH), nn.RMSNorm(WIDTH, eps=1e-6)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        half = WIDTH // HEADS // 2
        angles = torch.outer(torch.arange(context), 10_000.0 ** (-torch.arange(half) / half))
        self.register_buffer("cosine", torch.cat([angles, angles], 1).cos())
        self.register_buffer("sine", torch.cat([angles, angles], 1).sin())
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Each place sees itself and those before it."""
        state, count = self.vectors(tokens), tokens.shape[1]
        for layer in self.layers:
            state = layer(state, self.cosine[:count], self.sine[:count])
        return functional.linear(self.norm(state), self.vectors.weight)


def by_loop(told: Mapping[str, Any], windows: np.ndarray) -> float:
    """The loop one would write."""
    network, clock, drawn = ByHand(told["symbols"], told["context"]), Clock(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, fused=True)
    text = torch.from_numpy(windows).to(torch.int64)
    clock.stepped()
    for rows in torch.randperm(len(text), generator=drawn).split(told["batch"]):
        batch = text[rows]
        logits = network(batch[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        clock.stepped()
    return clock.rate(told)


def by_trainer(told: Mapping[str, Any], windows: np.ndarray) -> float:
    """The peer's own model, loss and loop."""
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    clock = Clock()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=told["symbols"],
            hidden_size=WIDTH,
            intermediate_size=INNER,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=told["context"],
            tie_word_embeddings=True,
        )
    )
    model.config.use_cache = False

    class Watch(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.stepped()

    # The model shifts labels by itself; as many tokens are foretold as elsewhere.
    rows = [{"input_ids": one, "labels": one} for one in torch.from_numpy(windows).to(torch.int64)]
    with tempfile.TemporaryDirectory() as place:
        plan = TrainingArguments(
            output_dir=place,
            per_device_train_batch_size=told["batch"],
            num_train_epochs=1,
            learning_rate=RATE,
            max_grad_norm=1.0,
            weight_decay=0.01,
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        Trainer(model, plan, train_dataset=rows, callbacks=[Watch()]).train()
    clock.stepped()
    return clock.rate(told)


def _turned(part: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    one, two = part.chunk(2, -1)
    return part * cosine + torch.cat([-two, one], -1) * sine


def main() -> None:
    """`{rate: tokens a second}` as the last line."""
    told = json.loads(sys.argv[1])
    torch.set_num_threads(2)
    torch.manual_seed(0)
    text = np.load(told["text"])
    starts = np.random.default_rng(0).integers(0, len(text) - told["context"] - 1, told["batch"] * told["steps"])
    windows = text[starts[:, None] + np.arange(told["context"] + 1)].astype(np.int32)
    sides = {"fit": by_fit, "loop": by_loop, "trainer": by_trainer}
    print(json.dumps({"rate": sides[told["side"]](told, windows)}))


if __name__ == "__main__":
    main()
