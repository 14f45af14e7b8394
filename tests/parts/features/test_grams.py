"""Grams: which pieces of a text are found, that their numbers never change, and how quickly."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from feilun.core.errors import RecipeError
from feilun.parts.features import grams
from feilun.parts.features.text import ALONE
from feilun.parts.features.text import FEATURE as Text

ENGLISH = ["Excellent hotel, very clean", "terrible hotel!", "excellent food; very good", "Terrible food"] * 3
CHINESE = ["房间很干净", "房间太小", "服务很好", "酒店 good 服务"] * 3


def fit(texts, **options):
    feature = Text(columns=("t",), tokens="grams", **options).fit({"t": texts})
    return Text(**json.loads(json.dumps(feature.to_json())))


def grams_of(feature, text):
    return {feature.known[number - 2] for number in feature.encode({"t": [text]})[0] if number > 1}


def test_words_pairs_and_runs_of_english():
    found = grams_of(fit(ENGLISH), "excellent hotel, very clean")
    assert {"excellent", "hotel very", "hotel", " very", "exc", "l, ve"} <= found
    assert "ex" not in found  # too short to mean anything
    assert "hotel excellent" not in found


def test_one_to_three_characters_of_chinese():
    found = grams_of(fit(CHINESE), "房间很干净")
    assert {"房", "房间", "房间很", "很干净"} <= found
    assert not {gram for gram in found if len(gram.strip()) > 3}


def test_a_pair_is_the_same_whatever_stands_between():
    feature = fit(ENGLISH)
    for text in ("hotel very", "hotel -- very", "hotel,very"):
        assert "hotel very" in grams_of(feature, text)
    assert "hotel very" not in grams_of(feature, "hotel is very")


def test_nothing_crosses_from_one_text_to_the_next():
    feature = fit(["ab", "cd ef"] * 3)
    alone = [feature.encode({"t": [text]})[0].tolist() for text in ("ab", "cd ef")]
    both = feature.encode({"t": ["ab", "cd ef"]})
    assert [both[0].tolist(), both[1].tolist()] == alone
    assert "ab cd" not in {feature.known[number - 2] for number in both.values if number > 1}


def test_hashes_are_the_same_in_every_process_and_as_written():
    code = (
        "from feilun.parts.features import grams; from feilun.parts.features.text import ALONE; "
        "found = grams.find([grams.tidy('good hotel 房间')], ALONE); print(sorted(map(int, found.hashes)))"
    )
    found = grams.find([grams.tidy("good hotel 房间")], ALONE)
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(other) == sorted(map(int, found.hashes))
    assert int(grams.hashes_of(["hotel"])[0]) == 10792438827913959706  # a stored model must find it for ever


def test_what_is_written_is_what_is_found():
    texts = [grams.tidy(text) for text in (*ENGLISH, *CHINESE, "x — y", "naïve café!!")] * 2
    known = grams.learn(texts, ALONE, 10_000, 2)
    there = set(grams.find(texts, ALONE).hashes.tolist())
    assert len(set(known)) == len(known) == len(set(grams.hashes_of(known).tolist()) & there)


def test_the_commonest_are_known_and_rare_ones_are_not():
    feature = fit([*ENGLISH, "unique marmalade"])
    assert "unique" not in feature.known
    assert fit(ENGLISH, vocabulary=7).vocabulary_size == 7
    counts = [sum(gram in f" {text.lower()} " for text in ENGLISH) for gram in fit(ENGLISH, vocabulary=7).known]
    assert counts == sorted(counts, reverse=True)


def test_blocks_count_as_one(monkeypatch):
    whole = fit(ENGLISH + CHINESE).known
    monkeypatch.setattr(grams, "BLOCK", 5)
    assert fit(ENGLISH + CHINESE).known == whole


@pytest.mark.parametrize("text", ["", None, "   ", "ж", "\ud800 x", "a" * 10_000])
def test_odd_texts_have_at_least_one_token(text):
    encoded = fit(ENGLISH).encode({"t": [text, "excellent hotel"]})
    assert len(encoded[0]) >= 1 and len(encoded[1]) > 5
    assert encoded.values.dtype == np.int32


def test_a_text_has_each_gram_once():
    feature = fit(ENGLISH)
    once, often = feature.encode({"t": ["hotel", "hotel hotel hotel"]})[0], feature.encode({"t": ["hotel " * 3]})[0]
    assert set(once) <= set(often) and len(set(often)) == len(often)


def test_a_text_is_not_written_from_grams():
    with pytest.raises(RecipeError, match="without an order"):
        Text(columns=("t",), tokens="grams", marks=True)


def test_no_loop_over_grams():
    """A loop in Python over every gram took ten times as long as whole arrays; counted in CPU time against one."""
    texts = [
        " ".join(np.random.default_rng(row).choice(["room", "staff", "clean", "noisy"], 30)) for row in range(1000)
    ]
    feature = fit(texts)
    started = time.process_time()
    feature.encode({"t": texts})
    ours = time.process_time() - started
    started = time.process_time()
    for text in texts:
        seen = set()
        for size in (3, 4, 5):
            for start in range(len(text) - size + 1):
                seen.add(hash(text[start : start + size]))
    assert ours < 4 * (time.process_time() - started)
