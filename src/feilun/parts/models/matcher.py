"""Matcher: an encoder whose vectors say by their angle how well two texts go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from feilun.parts.ops.contrast import found, same

Every = Callable[[Tensor], tuple[Tensor, int]]  # ours -> the rows of all processes, and where ours begin


class Network(nn.Module):
    """forward(text int64 (B, T), text_length) -> embedding (B, width), of length 1, and temperature ().

    The projection starts as doing nothing, so that published weights answer as published until it has learnt.
    """

    def __init__(self, encoder: Any, temperature: float) -> None:
        super().__init__()
        self.inputs = ("text",)
        self.encoders = nn.ModuleList([encoder])
        width = int(encoder.width)
        self.projection = nn.Linear(width, width)
        nn.init.eye_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor(temperature), persistent=False)

    def forward(self, text: Tensor, text_length: Tensor) -> dict[str, Tensor]:
        """Padding changes no answer."""
        made = self.projection(self.encoders[0](text, text_length))
        return {"embedding": functional.normalize(made, dim=1), "temperature": self.temperature}


def loss(network: Callable[..., dict[str, Tensor]], batch: Mapping[str, Tensor], every: Every) -> Tensor:
    """(B,): how far each text is from finding, among the batch's texts, those that belong to it.

    With `passage` in the batch that is its own passage; no other row's passage is held against it if it is the same,
    or if that row asks the same; `negative`, of all rows, may be looked at too.  With `label` all texts of its label
    (without one in the batch, itself).  Without either, itself as another dropout sees it (Gao et al. 2021).
    every: brings in the rows that other processes hold.
    """

    def read(name: str) -> Tensor:
        return network(text=batch[name], text_length=batch[f"{name}_length"])["embedding"]

    first = network(text=batch["text"], text_length=batch["text_length"])
    ours, temperature = first["embedding"], first["temperature"]
    if "label" in batch:
        others, start = every(ours)
        labels, _ = every(batch["label"])
        myself = _places(ours, others, start)
        alike = batch["label"].unsqueeze(1) == labels.unsqueeze(0)
        right = alike & ~myself
        right = right | (myself & ~right.any(1, keepdim=True))
        return found(ours @ others.T / temperature, right, ~alike)
    name = "passage" if "passage" in batch else "text"
    others, start = every(read(name))
    right = _places(ours, others, start)
    wrong = ~(_equal(batch[name], every) | _equal(batch["text"], every) | right)
    if "negative" in batch:
        hard, _ = every(read("negative"))
        listed, _ = every(same(batch["negative"]))
        others = torch.cat([others, hard])
        right = torch.cat([right, torch.zeros_like(right[:, :1]).expand(-1, len(hard))], 1)
        wrong = torch.cat([wrong, same(batch[name]).unsqueeze(1) != listed.unsqueeze(0)], 1)
    return found(ours @ others.T / temperature, right, wrong)


def _places(ours: Tensor, others: Tensor, start: int) -> Tensor:
    """bool (B, all): where each of our rows stands among all."""
    mine = torch.arange(start, start + len(ours), device=ours.device)
    return mine.unsqueeze(1) == torch.arange(len(others), device=ours.device).unsqueeze(0)


def _equal(tokens: Tensor, every: Every) -> Tensor:
    """bool (B, all): which rows hold the same text."""
    own = same(tokens)
    return own.unsqueeze(1) == every(own)[0].unsqueeze(0)
