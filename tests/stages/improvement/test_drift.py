"""Drift: notices what changed, names it, and does not cry on rows like the training rows."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from feilun.parts.ops.ragged import Ragged
from feilun.stages.improvement import drift
from feilun.stages.improvement.aspects import aspects, picture_measures
from feilun.stages.improvement.drift import Aspect

SEEDS = range(20)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return np.round(load_digits().images * (255 / 16)).astype(np.uint8)


def dealt(digits, seed):
    order = np.random.default_rng(seed).permutation(len(digits))
    return digits[order[:1100]], digits[order[1100:1600]]


def rotated(pixels, degrees):
    return np.asarray(Image.fromarray(pixels).rotate(degrees, resample=Image.Resampling.BICUBIC))


def thicker(pixels):
    picture = Image.fromarray(pixels)
    return np.asarray(Image.blend(picture, picture.filter(ImageFilter.MaxFilter(3)), 0.3))


def shifted(pixels):
    return np.roll(pixels, 1, axis=1)


CHANGES = {
    "rotated": (lambda pixels: rotated(pixels, 20), "slant"),
    "thicker": (thicker, "brightness"),
    "shifted": (shifted, "centre across"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_digits_written_differently_are_noticed_soon(digits, change):
    write, word = CHANGES[change]
    for seed in range(6):
        reference, fresh = dealt(digits, seed)
        requests = np.stack([write(pixels) for pixels in fresh])
        found = drift.watch(aspects({"image": reference}, {"image": requests}))
        assert found["request"] <= 120
        assert f"image: {word}" in [each["aspect"] for each in found["aspects"]]


def test_clean_digits_raise_no_alarm(digits):
    for seed in SEEDS:
        reference, fresh = dealt(digits, seed)
        assert not drift.watch(aspects({"image": reference}, {"image": fresh}))["noticed"]


def test_drift_that_begins_later_is_noticed_later(digits):
    reference, fresh = dealt(digits, 0)
    requests = np.concatenate([fresh[:240], np.stack([rotated(pixels, 25) for pixels in fresh[240:]])])
    found = drift.watch(aspects({"image": reference}, {"image": requests}))
    assert 240 < found["request"] <= 400


@pytest.mark.parametrize("shift, is_noticed", [(0.0, False), (1.0, True)])
def test_numbers(shift, is_noticed):
    for seed in SEEDS:
        draw = np.random.default_rng(seed)
        before, now = draw.normal(size=(1000, 2)), draw.normal([0.0, shift], size=(400, 2))
        encoded = [{"numbers": array.astype(np.float32)} for array in (before, now)]
        found = drift.watch(aspects(*encoded, {"numbers": ("income", "age")}))
        assert found["noticed"] is is_noticed
        if is_noticed:
            assert [each["aspect"] for each in found["aspects"]] == ["age"]
            assert found["aspects"][0]["now"] > found["aspects"][0]["before"] + 0.5


@pytest.mark.parametrize("now, is_noticed", [([0.5, 0.3, 0.15, 0.05], False), ([0.2, 0.3, 0.15, 0.35], True)])
def test_categories(now, is_noticed):
    for seed in SEEDS:
        draw = np.random.default_rng(seed)
        before = draw.choice(4, 1000, p=[0.5, 0.3, 0.15, 0.05])
        found = drift.watch(aspects({"city": before}, {"city": draw.choice(4, 400, p=now)}))
        assert found["noticed"] is is_noticed


def test_pieces_of_a_number_are_one_aspect_and_gaps_another():
    draw = np.random.default_rng(0)

    def encoded(count, missing):
        pieces = (draw.random((count, 1)) > [0.2, 0.4, 0.6]).astype(np.float32)
        gaps = (draw.random((count, 1)) < missing).astype(np.float32)
        return {"numbers": np.concatenate([pieces, gaps], axis=1)}

    owners = {"numbers": ("age", "age", "city", "age")}
    watched = aspects(encoded(1000, 0.1), encoded(200, 0.6), owners)
    assert list(watched) == ["age", "city", "age: missing"]
    assert [each["aspect"] for each in drift.watch(watched)["aspects"]] == ["age: missing"]


@pytest.mark.parametrize("words, is_noticed", [(range(20), False), (range(15, 35), True)])
def test_texts_by_their_tokens(words, is_noticed):
    def texts(draw, count, words):
        lengths = draw.integers(3, 12, count)
        return Ragged.of([draw.choice(np.array(words), size).astype(np.int32) for size in lengths])

    for seed in SEEDS:
        draw = np.random.default_rng(seed)
        found = drift.watch(aspects({"review": texts(draw, 600, range(20))}, {"review": texts(draw, 400, words)}))
        assert found["noticed"] is is_noticed
        assert not is_noticed or found["aspects"][0]["aspect"] == "review: wording"


def test_longer_texts_are_noticed():
    draw = np.random.default_rng(0)
    short = Ragged.of([np.ones(size, np.int32) for size in draw.integers(3, 12, 500)])
    long = Ragged.of([np.ones(size, np.int32) for size in draw.integers(8, 20, 200)])
    assert drift.watch(aspects({"review": short}, {"review": long}))["aspects"][0]["aspect"] == "review: length"


def test_colour_pictures_in_either_order_measure_alike(digits):
    colour = np.repeat(digits[:5, :, :, None], 3, axis=3)
    for pictures in (colour, np.moveaxis(colour, 3, 1)):
        for word, values in picture_measures(pictures).items():
            np.testing.assert_allclose(values, picture_measures(digits[:5])[word], atol=1e-12)


def test_an_empty_log_and_a_black_picture_are_nothing_special():
    assert drift.watch({}) == {"noticed": False, "request": None, "looked_at": 0, "aspects": []}
    black = np.zeros((50, 8, 8), np.uint8)
    assert not drift.watch(aspects({"image": black}, {"image": black}))["noticed"]


def test_probabilities_agree_with_scipy():
    from scipy import stats

    draw = np.random.default_rng(0)
    for size, shift in [(40, 0.0), (160, 0.3), (400, 0.2), (160, 1.0)]:
        one, other = draw.normal(size=1000), draw.normal(size=size) + shift
        expected = stats.ks_2samp(one, other, method="exact").pvalue
        # The small-sample correction is good to a few per cent of p, and to a factor of two far out in the tail.
        assert drift.ks_p(one, other) == pytest.approx(expected, rel=0.1 if expected > 0.01 else 1.0)
    for shares in ([0.4, 0.4, 0.2], [0.5, 0.3, 0.2], [0.6, 0.2, 0.2]):
        one, other = draw.choice(3, 500, p=[0.4, 0.4, 0.2]), draw.choice(3, 200, p=shares)
        table = [np.bincount(one, minlength=3), np.bincount(other, minlength=3)]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        # Wilson and Hilferty: a few per cent where it matters, up to a half more far out in the tail.
        assert drift.categories_p(one, other) == pytest.approx(expected, rel=0.05 if expected > 0.01 else 0.5)


def test_false_alarms_stay_under_their_promise():
    alarms = 0
    for seed in range(150):
        draw = np.random.default_rng(seed)
        watched = {str(i): Aspect(reference=draw.normal(size=500), requests=draw.normal(size=800)) for i in range(4)}
        alarms += drift.watch(watched)["noticed"]
    assert alarms <= 2  # 0.3 expected at most; more than 2 happens by chance once in 280 such tests
