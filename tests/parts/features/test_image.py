"""Pictures: every form, every mode, bad ones, augmentation."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as pillow

from feilun.core.errors import DataError, RecipeError
from feilun.parts.features.image import FEATURE as Image


def packed(array, kind="PNG", **options):
    out = io.BytesIO()
    pillow.fromarray(array).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def grey():
    return np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


@pytest.fixture
def colour():
    return np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)


def test_every_form_gives_the_same(grey, tmp_path):
    content = packed(grey)
    path = tmp_path / "图.png"
    path.write_bytes(content)
    text = base64.b64encode(content).decode()
    forms = [content, bytearray(content), text, f"data:image/png;base64,{text}", path, grey, grey[:, :, None]]
    feature = Image(columns=("p",)).fit({"p": forms})
    assert feature.shape == (1, 6, 8)
    encoded = feature.encode({"p": forms})
    assert encoded.dtype == np.uint8
    for one in encoded:
        np.testing.assert_array_equal(one[0], grey)


def test_colour_is_kept_channels_first(colour):
    feature = Image(columns=("p",)).fit({"p": [packed(colour)]})
    feature = Image(**json.loads(json.dumps(feature.to_json())))
    assert feature.shape == (3, 6, 8)
    np.testing.assert_array_equal(feature.encode({"p": [colour]})[0], colour.transpose(2, 0, 1))


def test_one_coloured_training_picture_makes_colour(grey, colour):
    feature = Image(columns=("p",)).fit({"p": [packed(grey), packed(colour)]})
    assert feature.channels == 3
    np.testing.assert_array_equal(feature.encode({"p": [grey]})[0], np.stack([grey] * 3))


def test_sizes_differ_then_a_square_is_chosen():
    pictures = [np.zeros((40, 60), np.uint8), np.zeros((50, 44), np.uint8), np.zeros((900, 44), np.uint8)]
    feature = Image(columns=("p",)).fit({"p": pictures})
    assert feature.size == (44, 44)
    assert feature.encode({"p": pictures}).shape == (3, 1, 44, 44)
    assert Image(columns=("p",), size=[20, 10]).fit({"p": pictures}).encode({"p": pictures}).shape == (3, 1, 20, 10)
    assert Image(columns=("p",)).fit({"p": [np.zeros((500, 500), np.uint8)]}).size == (128, 128)


def test_turned_upright_by_its_exif_note(grey):
    exif = pillow.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by 90 degrees clockwise
    content = packed(grey, "JPEG", exif=exif, quality=100)
    encoded = Image(columns=("p",), size=(8, 6), channels=1).encode({"p": [content]})[0, 0]
    assert np.abs(encoded.astype(int) - np.rot90(grey, -1)).max() < 8  # JPEG


def test_modes_of_real_files(colour):
    clear = np.dstack([colour, np.zeros((6, 8), np.uint8)])
    feature = Image(columns=("p",), size=(6, 8), channels=3)
    assert (feature.encode({"p": [packed(clear)]}) == 255).all()  # all transparent: white
    deep = packed((np.arange(48).reshape(6, 8) * 1000).astype(np.uint16))
    shallow = Image(columns=("p",), size=(6, 8), channels=1).encode({"p": [deep]})[0, 0]
    np.testing.assert_array_equal(shallow, (np.arange(48).reshape(6, 8) * 1000) >> 8)
    palette = io.BytesIO()
    pillow.fromarray(colour).convert("P").save(palette, "GIF")
    assert feature.encode({"p": [palette.getvalue()]}).shape == (1, 3, 6, 8)
    cmyk = io.BytesIO()
    pillow.fromarray(colour).convert("CMYK").save(cmyk, "JPEG")
    assert feature.encode({"p": [cmyk.getvalue()]}).shape == (1, 3, 6, 8)


def bomb(side):
    """A PNG of a few bytes that says it is so large."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_bad_pictures_are_named(grey):
    feature = Image(columns=("照片",), size=8, channels=1)
    good = packed(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    bad = [None, b"", b"not a picture", good[: len(good) // 2], "@@@", "aGVsbG8=", 7, grey.astype(float), "/etc/hosts"]
    for value in bad:
        with pytest.raises(DataError, match="照片") as error:
            feature.encode({"照片": [value]})
        assert error.value.fix
    for side in (7_500, 10_000, 20_000):  # over our bound; where Pillow warns; where Pillow refuses
        with pytest.raises(DataError, match="too large"):
            feature.encode({"照片": [bomb(side)]})


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of what it skips in damaged TIFFs
def test_random_damage_never_escapes_as_another_error(colour):
    generator = np.random.default_rng(0)
    feature = Image(columns=("p",), size=8, channels=3)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP"):
        content = packed(colour, kind)
        for _ in range(60):
            damaged = bytearray(content)
            for place in generator.integers(0, len(damaged), 3):
                damaged[place] = generator.integers(0, 256)
            try:
                feature.encode({"p": [bytes(damaged)]})
            except DataError:
                continue


@pytest.mark.parametrize("options", [{"size": 0}, {"size": "big"}, {"channels": 2}, {"augment": {"spin": 3}}])
def test_wrong_options_are_named(options):
    with pytest.raises(RecipeError, match=next(iter(options))):
        Image(columns=("p",), **options)


def test_augment_is_absent_or_changes_a_batch(grey):
    import torch

    assert not callable(Image(columns=("p",)).augment)
    feature = Image(columns=("p",), size=8, channels=1, augment={"rotate": 20, "shift": 0.1, "flip": "both"})
    feature = Image(**json.loads(json.dumps(feature.to_json())))
    batch = torch.rand(5, 1, 8, 8)
    one, two = (feature.augment(batch, torch.Generator().manual_seed(seed)) for seed in (3, 3))
    other = feature.augment(batch, torch.Generator().manual_seed(4))
    assert one.shape == batch.shape and torch.equal(one, two) and not torch.equal(one, other)


@pytest.mark.parametrize("augment", [{"rotate": "abc"}, {"zoom": -3}, {"shift": 5}, {"rotate": True}])
def test_an_augmentation_out_of_range_is_refused(augment):
    with pytest.raises(RecipeError, match="augment"):
        Image(columns=("image",), augment=augment)
