"""Pictures: broken, cut off, huge, in odd modes, in odd places."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

from broken import Case, Make, all_of, data, text
from PIL import Image

QUICK = (
    *("--set", "model.name=cnn", "--set", "model.width=4", "--set", "model.depth=1", "--set", "train.epochs=1"),
    *("--set", "evaluate.bootstrap=100", "--set", "optimize.quantize=none"),
)
RUN = ("run", "r.yaml", *QUICK)
RECIPE = text("r.yaml", "data: {source: p}\ninputs: {image: {kind: image, size: 12}}\ntarget: label\n")


def picture(mode: str = "RGB", size: tuple[int, int] = (14, 14), shade: int = 0, form: str = "PNG") -> bytes:
    """An encoded picture, darker or lighter."""
    out = io.BytesIO()
    grey = Image.new("L", size, shade)
    grey.putpixel((shade % size[0], 3), 255 - shade)
    grey.convert(mode).save(out, form)
    return out.getvalue()


def folder(*more: Make) -> Make:
    """Two classes of 20 pictures, and more."""
    plain = [
        data(f"p/{name}/{place:02}.png", picture(shade=shade + place * 3))
        for name, shade in (("dark", 0), ("light", 150))
        for place in range(20)
    ]
    return all_of(*plain, RECIPE, *more)


def wide_png(width: int, height: int) -> bytes:
    """A real PNG of so many pixels, a few kB large."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    line = bytes(1 + width)
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def lying_png(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk


def answered(told: dict[str, Any], folder: Path) -> None:
    """A run came to its end."""
    assert 0 <= told["result"]["scores"]["accuracy"]["value"] <= 1


def bad(name: str, content: bytes, *says: str, file: str = "p/dark/99.png") -> Case:
    """One picture that cannot be used among good ones."""
    return Case(name=name, make=folder(data(file, content)), words=RUN, says=says or (Path(file).name,))


def fine(name: str, content: bytes, file: str = "p/dark/99.png") -> Case:
    """One odd picture that must be read."""
    return Case(name=name, make=folder(data(file, content)), words=RUN, code=0, right=answered)


CASES = [
    bad("picture: empty file", b""),
    bad("picture: noise", bytes(range(200))),
    bad("picture: cut off", picture(size=(90, 90), shade=77)[:90]),
    bad("picture: a web page", b"<html>not found</html>", file="p/dark/99.jpg"),
    bad("picture: says it is 100,000 pixels wide and high", lying_png(100_000, 100_000)),
    bad("picture: says it has no width", lying_png(0, 10)),
    fine("picture: 30,000 pixels wide", wide_png(30_000, 8)),
    bad("picture: 30,000 pixels wide and high", wide_png(30_000, 3_000)),
    fine("picture: one pixel", picture(size=(1, 4), shade=0)),
    fine("picture: palette", picture("P")),
    fine("picture: CMYK", picture("CMYK", form="JPEG"), file="p/dark/99.jpg"),
    fine("picture: with alpha", picture("RGBA")),
    fine("picture: 16 bit", picture("I;16")),
    fine("picture: a Chinese name", picture(), file="p/dark/图片 一.png"),
    fine("picture: a GIF", picture("P", form="GIF"), file="p/dark/99.gif"),
    fine("picture: a note beside it", b"bought in June", file="p/dark/readme.txt"),
    Case(
        name="picture: one class only",
        make=all_of(*(data(f"p/dark/{i}.png", picture(shade=i)) for i in range(20)), RECIPE),
        words=RUN,
        says=("one",),
    ),
    Case(
        name="picture: an empty class",
        make=folder(data("p/none/.keep", b"")),
        words=RUN,
        code=0,
        right=answered,
    ),
    Case(
        name="picture: a table that names a missing file",
        make=folder(
            text("t.csv", "image,label\n" + "p/dark/00.png,a\np/dark/nope.png,b\n" * 20),
            text("q.yaml", "data: {source: t.csv}\ninputs: {image: {kind: image, size: 12}}\ntarget: label\n"),
        ),
        words=("run", "q.yaml", *QUICK),
        says=("nope.png",),
    ),
    Case(
        name="picture: a table that names a file elsewhere",
        make=folder(
            text("t.csv", "image,label\n" + "p/dark/00.png,a\n../../../../etc/hostname,b\n" * 20),
            text("q.yaml", "data: {source: t.csv}\ninputs: {image: {kind: image, size: 12}}\ntarget: label\n"),
        ),
        words=("run", "q.yaml", *QUICK),
        says=("etc/hostname",),
    ),
    Case(
        name="picture: size of zero",
        make=folder(text("q.yaml", "data: {source: p}\ninputs: {image: {kind: image, size: 0}}\ntarget: label\n")),
        words=("run", "q.yaml", *QUICK),
        says=("size",),
    ),
]
