"""Batches of changed pictures: ours, or Pillow per picture in two worker processes. Prints rows per second."""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from feilun.parts.engine import heap
from feilun.parts.engine.batches import gatherer
from feilun.parts.features.image import Augmentation

BATCH, WARM = 32, 3  # batches before the clock starts


def ours(pictures: np.ndarray, rows: int) -> Iterator[Tensor]:
    """As training does it."""
    change = Augmentation(rotate=40, shift=0.2, shear=math.degrees(math.atan(0.2)), zoom=0.2, flip="horizontal")
    gather, drawn = gatherer({"x": pictures}), torch.Generator().manual_seed(0)
    with heap.kept():
        while True:
            some = torch.randint(len(pictures), (BATCH,), generator=drawn)
            yield change(gather(some)["x"], drawn)


class Changed(Dataset[Tensor]):
    """One picture at a time, resampled once by Pillow."""

    def __init__(self, pictures: np.ndarray, rows: int) -> None:
        self.pictures = [Image.fromarray(one) for one in np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))]
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> Tensor:
        picture = self.pictures[row % len(self.pictures)]
        made = picture.transform(picture.size, Image.Transform.AFFINE, drawn(), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.asarray(made).transpose(2, 0, 1).astype(np.float32) / 255)


def drawn() -> tuple[float, ...]:
    """Where a pixel comes from: a, b, c of x = a j + b i + c, and the same for y; the middle turns around itself."""
    angle, slant = math.radians(random.uniform(-40, 40)), random.uniform(-0.2, 0.2)
    scale, flip, middle = 1.2 ** random.uniform(-1, 1), random.choice((-1, 1)), 75.0
    cosine, sine = math.cos(angle) * scale, math.sin(angle) * scale
    a, b, d, e = cosine * flip, cosine * slant - sine, sine * flip, sine * slant + cosine
    x, y = (middle + 150 * random.uniform(-0.2, 0.2) for _ in range(2))
    return a, b, x - (a + b) * middle, d, e, y - (d + e) * middle


def main() -> None:
    """One run."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    torch.set_num_threads(2)
    pictures, rows = np.load(options["data"]), options["rows"]
    batches: Any = ours(pictures, rows)
    if options["side"] == "pillow":
        changed = Changed(pictures, rows + 8 * BATCH)
        batches = iter(DataLoader(changed, batch_size=BATCH, num_workers=2, shuffle=True))
    for _ in range(WARM):
        next(batches)
    started = time.perf_counter()
    for _ in range(rows // BATCH):
        next(batches)
    print(json.dumps({"rows_per_s": rows / (time.perf_counter() - started)}))


if __name__ == "__main__":
    main()
