"""The distance of made pictures from real ones, and the reader."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from feilun.parts.metrics import generation


def png(array: np.ndarray) -> str:
    """Base64 of a grey 8 x 8 picture in [0, 1]."""
    written = io.BytesIO()
    Image.fromarray(np.round(array.reshape(8, 8) * 255).astype(np.uint8)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def sample(level: float, rows: int, seed: int) -> np.ndarray:
    """Pictures around one grey level."""
    return np.clip(level + 0.1 * np.random.default_rng(seed).standard_normal((rows, 64)), 0, 1)


def test_thumbnails_average_pixels() -> None:
    picture = Image.fromarray(np.repeat(np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8), 2, 0), 2, 1))
    written = io.BytesIO()
    picture.save(written, "PNG")
    for form in (written.getvalue(), f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"):
        assert generation.thumbnails([form], 8)[0] * 255 == pytest.approx(np.arange(64))
    assert generation.thumbnails([written.getvalue()], 8, "RGB").shape == (1, 192)


def test_kernel_distance_by_hand() -> None:
    black, white = np.zeros(64), np.ones(64)
    real, made = [png(black), png(white)], [png(black), png(black)]
    # squared distance of black and white: 64, the median of the real ones: so 2σ² = 32 and k(black, white) = e^-2
    k = np.exp(-2)
    # row 0: others among made 1, among real k, made 0 with real (1 + k)/2, real 0 with made (1 + 1)/2
    expected = [1 + k - (1 + k) / 2 - 1, 1 + k - (1 + k) / 2 - k]
    assert generation.kernel_distance(made, real, ["a", "a"]) == pytest.approx(expected)


def test_like_is_near_and_what_lacks_variety_or_the_class_is_far() -> None:
    labels = ["dark", "light"] * 40
    levels = np.array([0.2, 0.8] * 40)[:, None]
    noise = sample(0.0, 80, 0) - 0.05
    real = [png(row) for row in np.clip(levels + noise, 0, 1)]
    like = [png(row) for row in np.clip(levels + sample(0.0, 80, 1) - 0.05, 0, 1)]
    flat = [png(np.full(64, level)) for level in levels[:, 0]]
    near, still, swapped = (
        generation.kernel_distance(made, real, labels).mean() for made in (like, flat, [*like[1:], like[0]])
    )
    assert abs(near) < 0.05
    assert still > near + 0.2
    assert swapped > near + 0.2


def test_a_picture_alone_in_its_class_is_compared_with_its_own() -> None:
    one, other = png(sample(0.5, 1, 0)), png(sample(0.9, 1, 1))
    assert generation.kernel_distance([one], [one], ["a"]) == pytest.approx([0.0], abs=1e-9)
    assert generation.kernel_distance([one], [other], ["a"])[0] > 0.5


def test_the_reader_takes_a_picture_for_its_neighbours() -> None:
    known = generation.thumbnails([png(row) for row in (*sample(0.2, 6, 0), *sample(0.8, 4, 1))], 8, "RGB")
    labels = np.array(["dark"] * 6 + ["light"] * 4)
    said, shares = generation.read([png(row) for row in (*sample(0.2, 1, 2), *sample(0.8, 1, 3))], known, labels)
    assert said == ["dark", "light"]
    assert shares == [1.0, 0.8]
