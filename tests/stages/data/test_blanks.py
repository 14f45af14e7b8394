"""Stripping: the quick way gives what the slow way gives, whatever stands in the cells."""

import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from feilun.stages.data.cells import blanks

LONG = "a word for missing that is longer than thirty-one bytes"
WORDS = pa.array(["", "NA", "?", "-", "null", "缺失", LONG])
CELLS = [
    *("", "NA", " NA", "NA ", "?", "-", "-3", "5", " x", "x ", "\u00a0x", "x\u3000", "ok", "null", "nullx", "中文"),
    *("缺失", LONG, LONG[:-1] + "!", "\t", "\u200b", None, "é", "x\x1f"),
]


@pytest.mark.parametrize("words", [WORDS, WORDS.slice(1)], ids=["empty is missing", "empty is a value"])
def test_quick_and_slow_agree(words):
    dice = random.Random(0)
    for count in range(200):
        some = dice.sample(CELLS, dice.randint(1, 5))
        cells = pa.array([dice.choice(some) for _ in range(count % 40)], pa.string())
        cut = dice.randint(0, len(cells))
        column = pa.chunked_array([cells.slice(0, cut), cells.slice(cut)])
        listed = set(words.to_pylist())
        trimmed = pc.utf8_trim_whitespace(cells).to_pylist()
        assert blanks.stripped(column, words).to_pylist() == [None if cell in listed else cell for cell in trimmed]


def test_what_needs_no_change_is_not_copied():
    column = pa.chunked_array([pa.array(["a", "b", "-3", "c d"])])
    assert blanks.stripped(column, WORDS).chunk(0).buffers()[2].address == column.chunk(0).buffers()[2].address
    gaps = pa.chunked_array([pa.array(["a", "", "c"])])
    found = blanks.stripped(gaps, WORDS)
    assert found.to_pylist() == ["a", None, "c"]
    assert found.chunk(0).buffers()[2].address == gaps.chunk(0).buffers()[2].address
