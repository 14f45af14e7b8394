"""How fast rotary positions turn, plain or stretched so that texts may be longer than those that were learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping

LINEAR, BY_WAVE = {"factor"}, {"factor", "low", "high", "original"}


def rates(rotation: float, head: int, stretch: Mapping[str, float]) -> tuple[float, ...]:
    """Radians a place, of each of the head / 2 pairs of numbers (RoFormer: Su et al. 2021).

    rotation: the longest wavelength, over 2 pi.  stretch: {} for none; `factor` alone divides every rate (Chen et al.
    2023); with `low`, `high` and `original` only the slow ones are divided: those of which `original` places hold
    fewer than `low` waves wholly, those with more than `high` not at all, those between in part (Llama 3: Dubey et al.
    2024).
    """
    plain = [rotation ** (-2 * place / head) for place in range(head // 2)]
    if not stretch:
        return tuple(plain)
    factor = stretch["factor"]
    if set(stretch) == LINEAR:
        return tuple(rate / factor for rate in plain)
    low, high, original = (stretch[name] for name in ("low", "high", "original"))

    def kept(rate: float) -> float:
        waves = original * rate / (2 * math.pi)
        return min(1.0, max(0.0, (waves - low) / (high - low)))

    return tuple(rate * (kept(rate) + (1 - kept(rate)) / factor) for rate in plain)
