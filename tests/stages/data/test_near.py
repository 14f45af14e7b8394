"""Near-duplicates: small changes join rows, other sentences do not; templates come apart; pictures are seen."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from feilun.stages.data.alike import hashing, near, near_pictures, near_texts

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "re", "si") for second in ("ban", "dor", "fel", "gim", "t")
]
STORY = "The committee met on Tuesday and decided, after a long debate, to postpone the opening of the new bridge."


def sentences(count: int, seed: int = 0, words: int = 14) -> list[str]:
    drawn = np.random.default_rng(seed)
    return [" ".join(drawn.choice(WORDS, words)) for _ in range(count)]


def find(texts: list[str | None], title: list[str] | None = None, **more: list[object]) -> near.Near:
    table = pa.table({"text": texts, **({"title": title} if title else {}), **more})
    kinds = {"text": "text", "title": "text"}
    return near.find(table, table.column_names, kinds, hashing.rows(table, table.column_names))


@pytest.mark.parametrize(
    "changed",
    [
        STORY.upper(),
        f"  {STORY.replace(' ', '   ')}",
        STORY.replace("Tuesday", "tuesday") + "!",
        STORY.replace("new", "old"),
        STORY.replace("After", "after").replace("postpone", "posptone"),
        "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in STORY),  # full width
    ],
)
def test_small_changes_are_near(changed: str) -> None:
    others = sentences(50)
    found = find([STORY, *others, changed])
    assert found.keys[0] == found.keys[-1]
    assert found.rows == 2
    assert len(set(found.keys.tolist())) == 51


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (STORY, "The committee met on Tuesday and praised, in a short speech, the builders of the old town hall."),
        ("good film", "good firm"),
        ("see you at 5", "see you at 6"),
        (STORY, None),
        (
            "这家酒店的位置很好，服务也很好，早餐丰富，下次还会来住的。",
            "这家酒店的位置很差，服务不好，早餐很少，下次不会再来住了。",
        ),
    ],
)
def test_other_sentences_are_not_near(one: str, other: str | None) -> None:
    found = find([one, other, *sentences(20)])
    assert found.keys[0] != found.keys[1]
    assert found.rows == 0


def test_chinese_without_its_full_stop_is_near() -> None:
    text = "这家酒店的位置很好，离地铁站走路五分钟，服务也很好，早餐丰富，房间干净，下次出差还会来住的"
    assert find([text, text + "。", *sentences(9)]).rows == 2


def test_every_pair_of_many_is_found_and_no_other() -> None:
    texts = sentences(3000, seed=1)
    drawn = np.random.default_rng(2)
    copies = [text + " " + drawn.choice(WORDS) for text in texts[:500]]  # 14 of 15 words: Jaccard above 0.9
    found = find([*texts, *copies])
    # a pair of similarity 0.9 is missed with chance (1 - 0.9 ** 4) ** 12 < 1e-5
    assert (found.keys[:500] == found.keys[3000:]).all()
    assert len(np.unique(found.keys)) == 3000


def test_of_copies_everything_else_is_equal_and_shared_texts_stand_on_one_side_all_the_same() -> None:
    texts = [STORY, STORY + "!", STORY + "?", STORY.upper(), *sentences(9)]
    found = find(texts, price=[1.0, 1.0, 2.0, 3.0, *range(10, 19)])
    assert found.keys[0] == found.keys[1]
    assert len(np.unique(found.keys)) == 12
    assert len(set(found.shared[:4].tolist())) == 1 and len(np.unique(found.shared)) == 10
    assert (found.rows, found.sharing) == (2, 4)


def test_short_texts_and_missing_ones_are_shared_by_rows_that_have_nothing_in_common() -> None:
    short = ["ok", "Acme Ltd", "see you at 5", None, "", "good film"] * 6
    found = find([*short, *sentences(30)], price=[float(place) for place in range(66)])
    assert found.sharing == found.rows == 0 and found.shared.tolist() == found.keys.tolist()


def test_of_several_texts_all_together_or_the_longest_decide() -> None:
    other = sentences(40, seed=3)
    texts = [STORY, STORY.upper(), STORY.replace("new", "old"), *other[:20]]
    titles = ["A bridge must wait", "What the city council said on Tuesday evening", "In short", *["ok"] * 20]
    assert find(texts, titles).sharing == 3
    named = find(other[:20], ["The same long headline over every one of these"] + ["A headline of another row"] * 19)
    assert named.sharing == 0  # the title is long enough, and is not what these rows are made of
    numbers = [float(place) for place in range(23)]
    assert find([STORY, "yes", "no", *other[:20]], ["a", STORY, STORY, *["b"] * 20], price=numbers).sharing == 3
    joined = [f"{text} {more}" for text, more in zip(other[:15], other[15:30], strict=True)]
    assert find([*joined, *joined], ["x", "y"] * 15, price=[float(place) for place in range(30)]).sharing == 30


def test_a_template_with_numbers_beside_it_is_taken_apart_once_and_equal_texts_stay_together() -> None:
    filled = [f"Dear customer, your parcel {k:04d} arrives tomorrow between nine and twelve." for k in range(60)]
    texts = [*sentences(300), *filled, filled[7]]
    found = find(texts, price=[float(place) for place in range(361)])
    assert found.templates == (61,) and found.sharing == 2
    assert found.shared[307] == found.shared[360]
    assert len(np.unique(found.shared)) == 360


def test_few_shared_texts_do_not_leave_too_few_groups_to_deal() -> None:
    found = find([STORY, *sentences(3)] * 15, price=[float(place) for place in range(60)])
    assert found.sharing == 0


def test_shared_texts_are_found_among_many_and_later_rows_move_nobody() -> None:
    texts = sentences(2000, seed=1)
    few = find(texts, price=[float(place) for place in range(2000)])
    many = find([*texts, *[f"{text} ban" for text in texts[:500]]], price=[float(place) for place in range(2500)])
    assert (many.shared[:2000] == few.shared).all() and (many.shared[2000:] == few.shared[:500]).all()
    assert many.rows == 0 and many.sharing == 1000


def test_a_group_has_the_key_of_its_first_row_and_later_rows_move_nobody() -> None:
    texts = sentences(100)
    few, many = find(texts), find([*texts, *[text + "." for text in texts]])
    assert (few.keys == many.keys[:100]).all()
    assert (many.keys[100:] == few.keys).all()


def test_a_template_is_taken_apart_and_copies_of_copies_are_not() -> None:
    filled = [
        f"Dear customer, your parcel {number:04d} arrives tomorrow between nine and twelve." for number in range(60)
    ]
    found = find([*sentences(300), *filled, filled[0]])
    assert found.templates == (61,)
    assert found.rows == 0
    assert len(np.unique(found.keys)) == 360
    assert find([*sentences(300), *filled[:10]]).templates == ()


def test_numbers_alone_are_not_looked_at() -> None:
    table = pa.table({"a": [1.0, 1.0001, 2.0]})
    keys = hashing.rows(table, ["a"])
    assert near.find(table, ["a"], {"a": "number"}, keys).keys is keys


def test_many_texts_take_bounded_memory_and_short_ones_do_not_fail() -> None:
    texts = pa.chunked_array([["", "a", None, "b" * 30, "b" * 31, "c" * 100_000, "c" * 100_001]])
    pairs = near_texts.links([texts], np.zeros(7, np.uint64)).close
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} >= {(0, 2), (5, 6)}


def photo(seed: int, size: int = 160) -> Image.Image:
    """A smooth random picture: a few blobs, as photographs have."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC)


def saved(picture: Image.Image, kind: str = "PNG", **how: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def pictures(contents: list[bytes | None], **more: list[object]) -> near.Near:
    table = pa.table({"photo": pa.array(contents, pa.binary()), **more})
    return near.find(table, table.column_names, {"photo": "image"}, hashing.rows(table, table.column_names))


@pytest.mark.parametrize("change", ["jpeg", "smaller", "brighter", "grey", "corner"])
def test_the_same_picture_in_another_file_is_near(change: str) -> None:
    one = photo(0)
    marked = one.copy()
    marked.paste((255, 255, 255), (0, 0, 12, 12))
    other = {
        "jpeg": saved(one, "JPEG", quality=40),
        "smaller": saved(one.resize((90, 90))),
        "brighter": saved(one.point(lambda value: min(255, value + 12))),
        "grey": saved(one.convert("L")),
        "corner": saved(marked),
    }[change]
    found = pictures([saved(one), *[saved(photo(seed)) for seed in range(1, 30)], other])
    assert found.keys[0] == found.keys[-1]
    assert len(np.unique(found.keys)) == 30


def test_other_pictures_flat_ones_and_missing_ones_are_not_near() -> None:
    flat = [saved(Image.new("RGB", (64, 64), (value, value, value))) for value in (0, 1, 255)]
    found = pictures([*[saved(photo(seed)) for seed in range(60)], *flat, None])
    assert found.rows == 0 and len(np.unique(found.keys)) == 64


def test_small_pictures_are_only_compared_for_equality() -> None:
    contents = [saved(photo(seed, 28)) for seed in range(10)]
    assert near_pictures.are_comparable(contents) is False
    assert pictures([*contents, saved(photo(0, 28), "JPEG")]).looked == ()


@pytest.mark.parametrize("size", [28, 160])
def test_the_same_picture_with_another_category_stands_on_one_side(size: int) -> None:
    contents = [saved(photo(seed, size)) for seed in range(30)]
    again = [contents[0], saved(photo(1, size), "JPEG", quality=60), None, None]
    place = [*["shop"] * 30, "fair", "fair", "fair", "shop"]
    found = pictures([*contents, *again], place=place)
    assert found.rows == 0 and len(np.unique(found.keys)) == 34
    assert found.shared[30] == found.shared[0]
    assert (found.shared[31] == found.shared[1]) is np.bool_(size == 160)  # small ones: only equal ones are the same
    assert found.sharing == (4 if size == 160 else 2)  # missing ones are not the same picture


def test_a_broken_picture_is_left_to_the_encoder() -> None:
    whole = saved(photo(1))
    found = pictures([saved(photo(0)), b"no picture", whole[: len(whole) // 2], saved(photo(0), "JPEG", quality=50)])
    assert found.keys[0] == found.keys[3]
    assert len(np.unique(found.keys)) == 3


def test_pictures_that_only_share_their_hash_are_not_near() -> None:
    wide, high = np.meshgrid(np.linspace(20, 120, 90), np.linspace(0, 1, 80))
    one, other = wide + 100 * high, wide + 100 * np.abs(np.sin(9 * high))  # the hash looks from left to right only
    contents = [saved(Image.fromarray(array.astype(np.uint8))) for array in (one, other)]
    copies = near_pictures._copies(contents)[1]
    assert near_pictures.dhash(copies)[0] == near_pictures.dhash(copies)[1]
    assert pictures(contents).rows == 0
