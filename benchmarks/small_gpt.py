"""A decoder-only transformer as one would write it today, for the benchmarks of language. No benchmark itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Attention, then a feed-forward part, norm first (GPT-2: Radford et al. 2019)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.looked, self.joined = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, state: Tensor) -> Tensor:
        """(B, T, width) -> the same."""
        rows, tokens, width = state.shape
        parts = self.looked(self.first(state)).view(rows, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        state = state + self.joined(seen.transpose(1, 2).reshape(rows, tokens, width))
        made: Tensor = state + self.narrow(functional.gelu(self.wide(self.second(state))))
        return made


class SmallGpt(nn.Module):
    """Tokens int64 (B, T) -> logits (B, T, symbols). The first and the last matrix are one, as in GPT-2."""

    def __init__(self, *, symbols: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.symbols, self.places = nn.Embedding(symbols, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                last = name.endswith(("joined.weight", "narrow.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5 if last else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Each place sees itself and those before it."""
        state = self.symbols(tokens) + self.places(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            state = block(state)
        return functional.linear(self.norm(state), self.symbols.weight)


def losses(network: nn.Module, windows: Tensor) -> Tensor:
    """Mean loss of each row, (B,), in nats a symbol. windows: int64 (B, T + 1)."""
    logits = network(windows[:, :-1])
    each = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten(), reduction="none")
    return each.view(len(windows), -1).mean(1)
