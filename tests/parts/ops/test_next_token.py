"""The next token: drawn as often as its probability says, only from what may be drawn; beams find the best sequence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from feilun.parts.ops.next_token import COLDEST, Drawing, OutOfBoundsError, beams, chosen, log_softmax, seeded

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.07, 0.03]))


def shares(drawing: Drawing, rows: int = 4000, written: tuple[int, ...] = ()) -> np.ndarray:
    generators = [np.random.default_rng(row) for row in range(rows)]
    tokens, logs = chosen(np.tile(LOGITS, (rows, 1)), drawing, [written] * rows, generators)
    assert logs.shape == tokens.shape
    return np.bincount(tokens, minlength=5) / rows


def test_tokens_come_as_often_as_their_probability() -> None:
    assert shares(Drawing(temperature=1.0)) == pytest.approx(np.exp(LOGITS), abs=0.02)
    sharp = np.exp(2 * LOGITS) / np.exp(2 * LOGITS).sum()
    assert shares(Drawing(temperature=0.5)) == pytest.approx(sharp, abs=0.02)
    assert shares(Drawing())[0] == 1


def test_only_the_likely_ones_are_drawn() -> None:
    assert shares(Drawing(temperature=1.0, top_k=2)) == pytest.approx([2 / 3, 1 / 3, 0, 0, 0], abs=0.02)
    assert shares(Drawing(temperature=1.0, top_p=0.75)) == pytest.approx([2 / 3, 1 / 3, 0, 0, 0], abs=0.02)
    assert shares(Drawing(temperature=1.0, top_p=0.76)) == pytest.approx(np.array([50, 25, 15, 0, 0]) / 90, abs=0.02)
    assert shares(Drawing(temperature=1.0, top_p=0.0))[0] == 1


def test_what_was_written_comes_less() -> None:
    """Negative logits are multiplied, positive ones divided."""
    found = shares(Drawing(temperature=1.0, repetition_penalty=2.0), written=(0, 0))
    raw = np.exp(np.where(np.arange(5) == 0, 2 * LOGITS, LOGITS))
    assert found == pytest.approx(raw / raw.sum(), abs=0.02)
    positive, _ = chosen(np.array([[3.0, 2.0]]), Drawing(repetition_penalty=2.0), [[0]], [np.random.default_rng(0)])
    assert positive.tolist() == [1]


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 50))
    drawing = Drawing(temperature=1.0)
    together, _ = chosen(logits, drawing, [()] * 3, [np.random.default_rng(row) for row in range(3)])
    alone, _ = chosen(logits[2:], drawing, [()], [np.random.default_rng(2)])
    assert together[2] == alone[0]


def test_what_is_forbidden_is_never_drawn() -> None:
    logits = np.array([[0.0, -np.inf, 0.0]])
    found = {int(chosen(logits, Drawing(temperature=5.0), [()], [np.random.default_rng(n)])[0][0]) for n in range(100)}
    assert found == {0, 2}


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1}, {"top_p": 2.0}, {"top_k": -1}, {"temperature": "hot"}, {"top_k": 1.5}]
)
def test_values_out_of_bounds_are_told(wrong: dict[str, object]) -> None:
    with pytest.raises(OutOfBoundsError, match=next(iter(wrong))):
        Drawing(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_wide_beams_find_the_best_sequence(seed: int, penalty: float) -> None:
    """Against every sequence there is: the next token hangs on the one before alone. Token 0 is the end."""
    table = np.random.default_rng(seed).normal(size=(5, 4)) * 2  # the last row: the first token
    longest = 4

    def value(sequence: tuple[int, ...]) -> float:
        before = [4, *sequence[:-1]]
        total = sum(float(log_softmax(table[one])[two]) for one, two in zip(before, sequence, strict=True))
        return total / len(sequence) ** penalty

    every = [(*body, 0) for length in range(longest) for body in itertools.product(range(1, 4), repeat=length)] + list(
        itertools.product(range(1, 4), repeat=longest)
    )
    best = max(every, key=value)

    def step(tokens: np.ndarray, sources: np.ndarray) -> np.ndarray:
        return table[tokens]

    found, _ = beams(table[4], step, width=100, longest=longest, end=0, length_penalty=penalty)
    assert found == [token for token in best if token != 0]
    greedy, _ = beams(table[4], step, width=1, longest=longest, end=0, length_penalty=penalty)
    assert value((*greedy, 0)[:longest]) <= value(best) + 1e-9


@pytest.mark.parametrize("temperature", [5e-324, 1e-320, 1e-300, 1e-30])
def test_a_temperature_that_tells_nothing_apart_takes_the_likeliest(temperature: float) -> None:
    drawing, logits = Drawing(temperature=temperature), np.array([[0.0, 1e30, 3e38, -np.inf]], np.float32)
    assert drawing == Drawing() and chosen(logits, drawing, [()], [])[0].tolist() == [2]
    near = chosen(logits, Drawing(temperature=COLDEST), [()], [np.random.default_rng(0)])[0]
    assert near.tolist() == [2]


def test_every_bit_of_a_seed_counts() -> None:
    seeds = [0, 1, 1 << 32, 1 << 33, 1 << 62, -1, -2, -(1 << 63), 0xFFFFFFFF]
    drawn = {float(np.random.default_rng([*seeded(seed), 7]).random()) for seed in seeds}
    assert len(drawn) == len(seeds)
    for wrong in (1 << 63, -(1 << 63) - 1, 1.0, True, "5", None):
        with pytest.raises(OutOfBoundsError, match="seed"):
            seeded(wrong)
