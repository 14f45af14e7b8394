"""Learning what people prefer: of two answers one becomes likelier than it was, the other less likely."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from feilun.parts.models import decoder

CHOSEN, REJECTED = "text", "rejected"  # in the batch: each answer behind what was asked


def loss(
    network: Callable[..., dict[str, Tensor]],
    reference: Callable[..., dict[str, Tensor]],
    batch: Mapping[str, Tensor],
    of_token: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """Loss per row (B,), of gains: how much likelier (in nats, times beta) an answer is than by the reference.

    Of a pair -log sigmoid(gain of the chosen - gain of the rejected): direct preference optimization (Rafailov et al.
    2023, equation 7). Of a chosen or rejected answer alone 1 - sigmoid(gain) or sigmoid(gain): Kahneman-Tversky
    optimization with its reference point at 0 (Ethayarajh et al. 2024, equation 8).
    batch: text and rejected int64 (B, T), with _length (B,) and _learnt (B, T); beta (B,). Nothing is learnt of an
    answer that is not there.
    of_token: cross-entropy of logits (N, symbols) and int64 (N,), (N,).
    """
    made = _side_by_side(batch)
    each, counts = decoder.losses(network, made, of_token)
    with torch.no_grad():
        before, _ = decoder.losses(reference, made, of_token)
    chosen, rejected = ((before - each) * counts).sum(1).chunk(2)
    chosen, rejected = batch["beta"] * chosen, batch["beta"] * rejected
    is_chosen, is_rejected = (counts.sum(1) > 0).chunk(2)
    pair = functional.softplus(rejected - chosen)
    alone = torch.sigmoid(-chosen) * is_chosen + torch.sigmoid(rejected) * is_rejected
    return torch.where(is_chosen & is_rejected, pair, alone)


def _side_by_side(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The chosen answers, then the rejected ones, as one batch of `decoder.losses`."""
    longest = max(batch[CHOSEN].shape[1], batch[REJECTED].shape[1])
    made: dict[str, Tensor] = {}
    for name, key in (("text", ""), ("learnt", "_learnt")):
        parts = [batch[f"{side}{key}"] for side in (CHOSEN, REJECTED)]
        made[name] = torch.cat([functional.pad(part, (0, longest - part.shape[1])) for part in parts])
    made["text_length"] = torch.cat([batch[f"{side}_length"] for side in (CHOSEN, REJECTED)])
    return made
