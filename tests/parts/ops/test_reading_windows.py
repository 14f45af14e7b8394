"""Windows, spans and thresholds: every token is read, the best span is the best of all, the cut is the best cut."""

from __future__ import annotations

import numpy as np
import pytest

from feilun.parts.ops import reading

QUESTION = np.array([[2, 0, 0], [7, 0, 1], [8, 1, 2], [3, 0, 0]], np.int32)


@pytest.mark.parametrize("tokens", [0, 1, 10, 11, 12, 40, 101])
@pytest.mark.parametrize("stride", [0, 1, 4, 99])
def test_windows_together_hold_every_token_in_order(tokens: int, stride: int) -> None:
    numbers = np.arange(100, 100 + tokens)
    body = np.stack([numbers, np.arange(tokens), np.arange(1, tokens + 1)], 1)
    passage = np.concatenate([body, [[3, 0, 0]]]).astype(np.int32)
    seen = set()
    for window, first in reading.windows(QUESTION, passage, 16, stride):
        assert len(window) <= 16
        assert window[:4, 0].tolist() == [2, 7, 8, 3] and window[-1, 0] == 3
        part = window[4:-1, 0].tolist()
        assert part == numbers[first : first + len(part)].tolist()
        seen |= set(part)
    assert seen == set(numbers.tolist())


def test_tokens_of_the_question_are_marked() -> None:
    passage = np.array([[7, 0, 1], [9, 1, 2], [3, 0, 0]], np.int32)
    [(window, first)] = reading.windows(QUESTION, passage, 16, 0)
    assert first == 0 and window[:, 1].tolist() == [0, 0, 0, 0, reading.COMMON, reading.TOLD, 0]


@pytest.mark.parametrize("longest", [1, 3, 30])
def test_the_best_span_is_the_best_of_all(longest: int) -> None:
    drawn = np.random.default_rng(longest)
    starts, ends = drawn.normal(size=(2, 5, 12))
    first, last, chance, none = reading.spans(starts, ends, longest)
    logs = [scores - np.log(np.exp(scores).sum(1, keepdims=True)) for scores in (starts, ends)]
    for row in range(5):
        every = {
            (a, b): logs[0][row, a] + logs[1][row, b] for a in range(1, 12) for b in range(a, min(12, a + longest))
        }
        assert (first[row], last[row]) == max(every, key=lambda pair: every[pair])
        assert chance[row] == pytest.approx(max(every.values()))
        assert none[row] == pytest.approx(logs[0][row, 0] + logs[1][row, 0])


def test_the_threshold_is_the_best_of_all() -> None:
    drawn = np.random.default_rng(0)
    for _ in range(50):
        margins = np.round(drawn.normal(size=9), 1)  # some are equal
        gains, losses = drawn.random(9), drawn.integers(0, 2, 9).astype(float)

        def value(cut: float) -> float:
            return float(np.where(margins > cut, gains, losses).sum())  # noqa: B023

        cut = reading.threshold(margins, gains, losses)
        assert value(cut) == pytest.approx(max(value(other) for other in [*(margins + 1e-6), -9.0, 9.0]))


def test_batches_hold_every_window_once_and_are_bounded() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 100).tolist()
    seen: list[int] = []
    for batch in reading.batches(lengths, 16, 300):
        assert len(batch) <= 16
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= 300
        seen += batch.tolist()
    assert sorted(seen) == list(range(100))


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [(0, 2, (0, 0)), (2, 4, (1, 1)), (2, 7, (1, 2)), (3, 4, (1, 1)), (4, 5, None), (6, 9, (2, 3)), (8, 9, (3, 3))],
)
def test_letters_lead_to_the_tokens_that_hold_them(start: int, end: int, wanted: tuple[int, int] | None) -> None:
    """Tokens touch: a letter behind one's last is the next one's. Between 4 and 5 stands a space."""
    places = [[0, 2], [2, 4], [5, 8], [8, 9], [0, 0]]
    passage = np.array([[9, *place] for place in places], np.int32)
    assert reading.tokens_of(passage, start, end) == wanted
