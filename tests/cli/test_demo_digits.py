"""The demonstration's data: dealt fairly, written differently, the same for the same seed."""

import base64
import io

import numpy as np
from PIL import Image

from feilun.cli import demo_digits


def pixels(request):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(request.row["image"]))))


def test_no_drawing_is_in_two_laps_or_in_training():
    digits = demo_digits.deal(seed=0, laps=4, requests=500)
    drawings = [{request.drawing for request in lap} for lap in digits.traffic]
    assert all(len(lap) == 500 for lap in digits.traffic)
    assert sum(map(len, drawings)) == len(set.union(*drawings)) == 1797 - demo_digits.CLEAN
    assert len(digits.clean["image"]) == len(digits.clean["label"]) == demo_digits.CLEAN


def test_a_seed_repeats_and_another_differs():
    one, same, other = (demo_digits.deal(seed=seed, laps=2, requests=50) for seed in (3, 3, 4))
    assert one == same
    assert one.traffic != other.traffic and one.clean != other.clean


def test_corrected_requests_show_different_drawings():
    requests = demo_digits.deal(seed=1, laps=4, requests=500).traffic[0]
    chosen = demo_digits.spread(requests, 150)
    assert len(chosen) == 150 == len({requests[i].drawing for i in chosen})


def test_requests_of_one_drawing_are_written_differently_each_time():
    requests = demo_digits.deal(seed=1, laps=4, requests=500).traffic[0]
    first = [request for request in requests if request.drawing == requests[0].drawing]
    assert len(first) > 1 and len({request.row["image"] for request in first}) == len(first)
    assert pixels(first[0]).shape == (8, 8) and pixels(first[0]).dtype == np.uint8


def test_no_change_leaves_the_digit_as_it_is():
    draw = np.random.default_rng(0)
    picture = Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8))
    np.testing.assert_array_equal(np.asarray(demo_digits._turned(picture, 0.0, (0.0, 0.0))), np.asarray(picture))
    shifted = np.asarray(demo_digits._turned(picture, 0.0, (1.0, 0.0)))
    np.testing.assert_array_equal(shifted[:, 1:], np.asarray(picture)[:, :-1])
    quarter = np.asarray(demo_digits._turned(picture, 90.0, (0.0, 0.0)))
    np.testing.assert_allclose(quarter, np.rot90(np.asarray(picture)), atol=1)  # cos(90°) is not quite 0
