"""Tokens a second of training one decoder. Arguments: JSON with side, symbols, context, batch, steps, texts (a file).

The same sizes on every side (Llama's shape: 6 layers of 256, 8 heads, SwiGLU with 680 in the middle, one table), the
same texts, AdamW at 1e-3, gradients clipped at 1, fp32. What is only padding counts for no token. The sides:
fit: ours, as `feilun run` does it. loop: written by hand with torch's fused attention, norm and optimizer. trainer: the
Trainer and Llama of Hugging Face, its fused AdamW, nothing saved and nothing logged; sorted: the same with batches of
texts that are about as long, as ours has them where texts differ.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH, LAYERS, HEADS, INNER, RATE = 256, 6, 8, 680, 1e-3
WARM = 3  # steps that do not count
NOTHING = -100  # what is no label

Texts = list[np.ndarray]


class Clock:
    """Seconds of all steps but the first few. A class because the clock lives between steps."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def stepped(self) -> None:
        """A step is done."""
        self.ends.append(time.perf_counter())

    def rate(self, texts: Texts) -> float:
        """Tokens a second, of which every step has as many as the mean."""
        steps = len(self.ends) - 1
        tokens = sum(len(one) - 1 for one in texts) / steps * (steps - WARM)
        return tokens / (self.ends[-1] - self.ends[WARM])


def by_fit(told: Mapping[str, Any], texts: Texts) -> float:
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
    differ = len({len(one) for one in texts}) > 1
    train = Train(epochs=1, batch_size=told["batch"], patience=None, group_by_length=differ, **plan)
    index = Index(train=np.arange(len(texts)))
    fit({"main": network}, {"text": Ragged.of(texts)}, index, Learning(objective=objective), train, Run())
    clock.stepped()
    return clock.rate(texts)


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


def padded(texts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tokens, and the same as labels."""
    pad = nn.utils.rnn.pad_sequence
    return pad(texts, batch_first=True), pad(texts, batch_first=True, padding_value=NOTHING)


def by_loop(told: Mapping[str, Any], texts: Texts) -> float:
    """The loop one would write."""
    network, clock, drawn = ByHand(told["symbols"], told["context"]), Clock(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01, fused=True)
    there = [torch.from_numpy(one).to(torch.int64) for one in texts]
    clock.stepped()
    for rows in torch.randperm(len(there), generator=drawn).split(told["batch"]):
        tokens, labels = padded([there[row] for row in rows])
        logits = network(tokens[:, :-1])
        functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=NOTHING).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        clock.stepped()
    return clock.rate(texts)


def by_trainer(told: Mapping[str, Any], texts: Texts) -> float:
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

    def collate(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        tokens, labels = padded([row["input_ids"] for row in rows])  # the model shifts labels by itself
        masked = (
            {} if len(labels) * len(labels[0]) == (labels != NOTHING).sum() else {"attention_mask": labels != NOTHING}
        )
        return {"input_ids": tokens, "labels": labels, **masked}

    rows = [{"input_ids": torch.from_numpy(one).to(torch.int64)} for one in texts]
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
            train_sampling_strategy="group_by_length" if told["side"] == "sorted" else "random",
        )
        Trainer(model, plan, train_dataset=rows, data_collator=collate, callbacks=[Watch()]).train()
    clock.stepped()
    return clock.rate(texts)


def _turned(part: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    one, two = part.chunk(2, -1)
    return part * cosine + torch.cat([-two, one], -1) * sine


def main() -> None:
    """`{rate: tokens a second}` as the last line."""
    told = json.loads(sys.argv[1])
    torch.set_num_threads(2)
    torch.manual_seed(0)
    with np.load(told["texts"]) as file:
        texts = np.split(file["values"], np.cumsum(file["lengths"])[:-1])
    sides = {"fit": by_fit, "loop": by_loop, "trainer": by_trainer, "sorted": by_trainer}
    print(json.dumps({"rate": sides[told["side"]](told, texts)}))


if __name__ == "__main__":
    main()
