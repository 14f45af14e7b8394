"""How pictures may be changed while training: whole batches, and what stands in them follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

FLIPS = ("horizontal", "vertical", "both")
# Degrees for angles, pixels for blur, shares of the picture for the rest; beyond these nothing of it may be left.
MOST = {"rotate": 180.0, "shift": 0.9, "shear": 60.0, "zoom": 0.9, "crop": 0.9, "colour": 0.9, "blur": 16.0}
MOST |= {"cutout": 0.9}


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """How far pictures may be changed while training, each drawn evenly from -x to x.

    rotate, shear: degrees.  shift: share of width and height.  zoom: 0.1 is from 1/1.1 to 1.1 times as large.
    flip: horizontal, vertical or both, each with probability a half.  crop: 0.3 leaves 0.7 to all of each side.
    colour: 0.2 is 0.8 to 1.2 times the brightness, contrast and saturation.  blur: up to so many pixels, the deviation
    of a Gaussian.  cutout: a grey square of so much of the shorter side, anywhere.
    """

    rotate: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    zoom: float = 0.0
    flip: str | None = None
    crop: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    cutout: float = 0.0

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """float32 (count, 2, 3): where what is shown comes from, see `affine.draw`."""
        from feilun.parts.ops import affine

        made = affine.draw(
            count,
            generator,
            rotate=self.rotate,
            shift=self.shift,
            shear=self.shear,
            zoom=self.zoom,
            flip_x=self.flip in ("horizontal", "both"),
            flip_y=self.flip in ("vertical", "both"),
        )
        return affine.cropped(made, self.crop, generator) if self.crop else made

    def __call__(
        self, batch: torch.Tensor, generator: torch.Generator, moves: torch.Tensor | None = None
    ) -> torch.Tensor:
        """float (B, C, H, W) in [0, 1] -> the same shape, resampled once. moves: drawn before, or drawn here."""
        from feilun.parts.ops import affine, painting

        moves = self.drawn(len(batch), generator) if moves is None else moves
        batch = affine.resample(batch, moves)
        batch = painting.coloured(batch, self.colour, generator) if self.colour else batch
        batch = painting.blurred(batch, self.blur, generator) if self.blur else batch
        return painting.cut_out(batch, self.cutout, generator) if self.cutout else batch


def wrong(given: Any) -> tuple[str, str] | None:
    """(key, what was expected) where this is no group of these options; None where it is one."""
    known = Augmentation.__slots__
    if not isinstance(given, Mapping) or set(given) - set(known):
        return "augment", f"a group of {', '.join(known)}"
    if given.get("flip") not in (None, *FLIPS):
        return "augment.flip", " or ".join(FLIPS)
    for name, most in MOST.items():
        value = given.get(name) or 0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            return f"augment.{name}", f"a number from 0 to {most:g}"
    return None
