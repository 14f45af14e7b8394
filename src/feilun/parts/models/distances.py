"""Where tokens stand, for attention without rotation: learnt numbers for distances, and waves added to the tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from feilun.core.errors import RecipeError
from feilun.parts.models.attention import ROTATION


class Distances(nn.Module):
    """A learnt number for each head and kind of distance, added to the scores of attention (T5: Raffel et al. 2020).

    count: kinds. Half of them are single distances, the others, ever wider, reach up to `farthest`, from which on all
    are of one kind.  both: places behind the one that looks are seen too, by kinds of their own.
    """

    kinds: Tensor

    def __init__(self, heads: int, count: int, farthest: int, *, both: bool) -> None:
        super().__init__()
        self.numbers = nn.Embedding(count, heads)
        self.farthest = farthest
        self.register_buffer("kinds", _kinds(count, farthest, both=both), persistent=False)

    def forward(self, looking: Tensor, seen: Tensor) -> Tensor:
        """Places int64 (B, T) and (B, K) -> (B, heads, T, K)."""
        ahead = (seen.unsqueeze(1) - looking.unsqueeze(2)).clamp(-self.farthest, self.farthest)
        made: Tensor = self.numbers(self.kinds[ahead + self.farthest]).permute(0, 3, 1, 2)
        return made


def waves(places: Tensor, width: int) -> Tensor:
    """Sines, then cosines, of int64 (B, T): (B, T, width) (Vaswani et al. 2017)."""
    rate = ROTATION ** (-2 * torch.arange(width // 2, device=places.device, dtype=torch.float32) / width)
    angles = places.to(torch.float32).unsqueeze(-1) * rate
    return torch.cat([angles.sin(), angles.cos()], -1)


def _kinds(count: int, farthest: int, *, both: bool) -> Tensor:
    """int64 (2 farthest + 1,): the kind of every distance from -farthest (before) to farthest (behind)."""
    ahead = torch.arange(-farthest, farthest + 1)
    own = count // 2 if both else count
    far = ahead.abs() if both else (-ahead).clamp(min=0)
    single = own // 2
    if not 0 < single < farthest:
        raise RecipeError(
            f"model.buckets is {count}, model.farthest {farthest}: {single} distances would be kinds of their own.",
            where="model.buckets",
            expected=f"4 or more, and at most {2 * farthest - 2}",
            got=str(count),
            fix="buckets: 32, farthest: 128",
        )
    wide = (far.clamp(min=1) / single).log() / math.log(farthest / single) * (own - single)
    kinds = torch.where(far < single, far, (single + wide.to(torch.int64)).clamp(max=own - 1))
    return kinds + own * (ahead > 0) if both else kinds
