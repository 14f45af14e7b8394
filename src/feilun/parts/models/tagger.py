"""Tagger: an encoder's state at every token, and a tag for each; with a CRF, tags also depend on their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from feilun.parts.models import initial, stems

FORBIDDEN = -1e4  # score of a tag after one it may not follow


class Network(nn.Module):
    """forward(text int64 (B, T), text_length) -> logits (B, T, tags), and follows (B, tags + 1, tags).

    follows: what is added to the score of a tag after each other tag, the last row for the first of a text: what may
    not follow has -10,000; what else there is, a CRF learns (Lafferty et al. 2001), and is 0 without one.
    """

    def __init__(self, encoder: nn.Module, allowed: Tensor, *, crf: bool, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        width, tags = int(encoder.states_width), allowed.shape[1]  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, tags)
        initial.start(self.head, "linear")
        self.allowed: Tensor
        self.register_buffer("allowed", allowed.to(torch.float32), persistent=False)
        self.learnt = nn.Parameter(torch.zeros(allowed.shape)) if crf else None

    def forward(self, text: Tensor, text_length: Tensor) -> dict[str, Tensor]:
        """Padding changes no answer."""
        states = self.encoder.states(text, text_length)  # type: ignore[operator]
        follows = (1 - self.allowed) * FORBIDDEN
        made = {"logits": self.head(self.dropout(states))}
        if self.learnt is not None:
            follows, made["learnt"] = follows + self.learnt * self.allowed, self.learnt
        return {**made, "follows": follows.unsqueeze(0).expand(text.shape[0], -1, -1)}


def loss(
    network: Callable[..., dict[str, Tensor]],
    batch: Mapping[str, Tensor],
    of_tag: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """(B,): the mean over a text's tokens of each tag's loss; with a CRF minus the log-probability of all of them.

    batch: text, text_length, spans int64 (B, T).  of_tag: from logits (N, tags) and int64 (N,) to (N,).
    """
    made = network(text=batch["text"], text_length=batch["text_length"])
    logits, tags = made["logits"], batch["spans"]
    mask = stems.present(batch["text"], batch["text_length"])
    count = mask.sum(1).clamp(min=1)
    if "learnt" in made:
        return (total(logits, made["follows"], mask) - scored(logits, made["follows"], tags, mask)) / count
    each = of_tag(logits.flatten(0, 1), tags.flatten()).reshape(tags.shape)
    return (each * mask).sum(1) / count


def scored(logits: Tensor, follows: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
    """(B,): the score of these tags."""
    before = torch.cat([torch.full_like(tags[:, :1], follows.shape[1] - 1), tags[:, :-1]], 1)
    rows = torch.arange(len(tags), device=tags.device).unsqueeze(1)
    each = logits.gather(2, tags.unsqueeze(2)).squeeze(2) + follows[rows, before, tags]
    return (each * mask).sum(1)


def total(logits: Tensor, follows: Tensor, mask: Tensor) -> Tensor:
    """(B,): log of the sum over all sequences of tags of exp(score), place by place (the forward algorithm)."""
    state = logits[:, 0] + follows[:, -1]
    for place in range(1, logits.shape[1]):
        after = (state.unsqueeze(2) + follows[:, :-1]).logsumexp(1) + logits[:, place]
        state = torch.where(mask[:, place : place + 1] > 0, after, state)
    return state.logsumexp(1)
