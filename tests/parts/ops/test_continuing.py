"""Writing on over a cache gives what reading everything again would give, for rows of any length together or alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from feilun.parts.engine.randomness import initialised
from feilun.parts.models import decoder
from feilun.parts.ops import continuing
from feilun.parts.ops.continuing import Batch, Row, Sizes, Wish, Written, gone_on
from feilun.parts.ops.next_token import Drawing

PROMPTS = ([3, 5, 7], [4], [9, 9, 2, 8, 6, 5, 4, 3])


@pytest.fixture(scope="module", name="network")
def made() -> decoder.Network:
    with initialised(0):
        network = decoder.build(decoder.MODEL(width=32, depth=2, heads=4, groups=2), symbols=24, longest=16)
    for weight in network.parameters():
        weight.data.mul_(4)
    return network.eval()


def stepping(network: decoder.Network) -> continuing.Step:
    step = decoder.Step(network)

    def run(**given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            out = step(**{name: torch.from_numpy(np.array(value)) for name, value in given.items()})
        return out["logits"].numpy(), out["fresh"].numpy()

    return run


def sizes_of(context: int) -> Sizes:
    return Sizes(layers=2, groups=2, head=8, context=context, symbols=20, banned=(0, 1))


def written(
    network: decoder.Network, prompts: Sequence[Sequence[int]], context: int = 64, **more: Any
) -> list[Written]:
    run, sizes, ends = stepping(network), sizes_of(context), more.pop("ends", (2,))
    stop, seeds = more.pop("stop", lambda tokens: False), more.pop("seeds", [[7, *prompt] for prompt in prompts])
    told = {"longest": 12, **more}
    wishes = [Wish(prompt=prompt, seed=seed, **told) for prompt, seed in zip(prompts, seeds, strict=True)]
    return gone_on(run, wishes, sizes, ends=ends, stop=stop)


def by_reading_again(network: decoder.Network, prompt: Sequence[int], longest: int) -> list[int]:
    seen = list(prompt)
    for _ in range(longest):
        with torch.no_grad():
            logits = network(torch.tensor([seen]))["logits"][0, -1]
        logits[[0, 1, *range(20, 24)]] = -torch.inf
        token = int(logits.argmax())
        if token == 2:
            break
        seen.append(token)
    return seen[len(prompt) :]


def test_a_cache_changes_nothing_and_neither_do_neighbours(network: decoder.Network) -> None:
    together = written(network, PROMPTS)
    for prompt, one in zip(PROMPTS, together, strict=True):
        assert one.tokens == by_reading_again(network, prompt, 12)
        assert written(network, [prompt])[0].tokens == one.tokens
        assert one.ended == (len(one.tokens) < 12)


def test_what_is_drawn_hangs_on_the_seed_and_the_text_alone(network: decoder.Network) -> None:
    drawing = Drawing(temperature=1.0)
    together = written(network, PROMPTS, drawing=drawing)
    assert together == written(network, PROMPTS, drawing=drawing)
    assert written(network, [PROMPTS[1]], drawing=drawing)[0].tokens == together[1].tokens
    other = written(network, PROMPTS, drawing=drawing, seeds=[[8], [9], [10]])
    assert [one.tokens for one in other] != [one.tokens for one in together]


def test_marks_and_numbers_without_meaning_are_never_written(network: decoder.Network) -> None:
    drawn = written(
        network, PROMPTS * 10, drawing=Drawing(temperature=10.0), longest=40, seeds=[[n] for n in range(30)]
    )
    tokens = {token for one in drawn for token in one.tokens}
    assert tokens <= set(range(3, 20)) and len(tokens) > 10


def test_a_full_context_goes_on_with_its_last_half(network: decoder.Network) -> None:
    long = written(network, [[5] * 30], context=8, longest=20, ends=())[0]
    assert len(long.tokens) == 20 and not long.ended
    assert written(network, [[5] * 8], context=8, longest=20, ends=())[0].tokens == long.tokens


def test_stop_ends_a_row_and_the_others_go_on(network: decoder.Network) -> None:
    plain = written(network, PROMPTS, ends=())
    cut = written(network, PROMPTS, ends=(), stop=lambda tokens: list(tokens) == plain[0].tokens[:3])
    assert cut[0].tokens == plain[0].tokens[:3] and cut[0].ended
    assert [one.tokens for one in cut[1:]] == [one.tokens for one in plain[1:]]


TOKEN_BYTES = 2 * 2 * 2 * 8 * 4  # of sizes_of


def to_the_end(batch: Batch, meanwhile: dict[int, list[Wish]]) -> dict[int, Row]:
    """Rows by the number of their wish; meanwhile: wishes that come before a step of that number."""
    rows: dict[int, Row] = {}
    for number in range(1000):
        for wish in meanwhile.pop(number, []):
            rows[len(rows)] = batch.add(wish)
        batch.advance()
        if not batch.rows and not meanwhile:
            break
    return rows


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_that_join_and_leave_at_any_time_get_what_they_get_alone(
    network: decoder.Network, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuing, "READ_AT_ONCE", 6)
    draw = np.random.default_rng(1)
    wishes = [
        Wish(
            prompt=draw.integers(2, 20, draw.integers(1, 30)).tolist(),
            longest=int(draw.integers(1, 50)),
            drawing=Drawing(temperature=temperature),
            seed=(number,),
        )
        for number in range(8)
    ]
    alone = [to_the_end(Batch(stepping(network), sizes_of(16), (2,)), {0: [wish]})[0] for wish in wishes]
    meanwhile = {step: wishes[first : first + 2] for step, first in ((0, 0), (3, 2), (4, 4), (20, 6))}
    together = to_the_end(Batch(stepping(network), sizes_of(16), (2,)), meanwhile)
    for number, one in enumerate(alone):
        assert (together[number].tokens, together[number].ended) == (one.tokens, one.ended)
        assert together[number].log == pytest.approx(one.log, abs=1e-3)  # sums of float32 in another order
    assert {one.ended for one in alone} == {True, False}


def test_the_cache_is_as_large_as_what_was_seen_and_a_dropped_row_is_gone(network: decoder.Network) -> None:
    batch = Batch(stepping(network), sizes_of(512), (), most_bytes=3 * 64 * TOKEN_BYTES)
    wishes = [Wish(prompt=[5, 6, 7], longest=60) for _ in range(4)]
    rows = []
    for wish in wishes:
        assert batch.room_for(wish) == (len(rows) < 3)
        rows += [batch.add(wish)] if batch.room_for(wish) else []
    batch.advance()
    assert batch._cache.nbytes == 3 * 32 * TOKEN_BYTES, "a block each, not what they may need one day"
    batch.drop(rows[1])
    assert batch.room_for(wishes[0]) and len(rows[1].tokens) == 1
    assert not batch.room_for(Wish(prompt=[5], longest=400)) and batch.bytes_for(wishes[0]) == 64 * TOKEN_BYTES
    for _ in range(40):
        batch.advance()
    assert batch._cache.nbytes == 2 * 64 * TOKEN_BYTES
    assert rows[0].tokens == rows[2].tokens and len(rows[1].tokens) == 1
    assert not Batch(stepping(network), sizes_of(64), (), most_rows=0).room_for(wishes[0])


def test_a_long_prompt_is_read_in_portions_while_others_write(
    network: decoder.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuing, "READ_AT_ONCE", 8)
    batch = Batch(stepping(network), sizes_of(64), ())
    short = batch.add(Wish(prompt=[5], longest=30))
    batch.advance()
    long = batch.add(Wish(prompt=[6] * 40, longest=2))
    for step in range(5):
        assert len(short.tokens) == step + 1 and not long.tokens
        batch.advance()
    assert len(long.tokens) == 1 and len(short.tokens) == 6


def test_a_mask_says_what_may_come_next_and_nothing_ends_the_row(network: decoder.Network) -> None:
    def allowed(tokens: Sequence[int]) -> np.ndarray | None:
        mask = np.zeros(20, bool)
        mask[[9, 11] if len(tokens) == 1 else [13]] = len(tokens) < 3
        return None if not tokens else mask

    batch = Batch(stepping(network), sizes_of(64), (2,))
    masked, free = batch.add(Wish(prompt=[5], longest=9, allowed=allowed)), batch.add(Wish(prompt=[5], longest=9))
    while batch.rows:
        batch.advance()
    assert masked.tokens[0] == free.tokens[0] and masked.tokens[1] in (9, 11) and masked.tokens[2:] == [13]
    assert masked.ended and np.isfinite(masked.log)


def test_likeliest_tokens_are_noted_with_their_probabilities(network: decoder.Network) -> None:
    batch = Batch(stepping(network), sizes_of(64), ())
    row = batch.add(Wish(prompt=[5], longest=6, told=18))
    while batch.rows:
        batch.advance()
    assert len(row.notes) == 6 and row.log == pytest.approx(sum(log for log, _ in row.notes))
    for (log, likeliest), token in zip(row.notes, row.tokens, strict=True):
        assert likeliest[0] == (token, log) and sum(np.exp(value) for _, value in likeliest) == pytest.approx(1)


def test_tokens_that_were_written_come_less_often_with_penalties(network: decoder.Network) -> None:
    def kinds(**penalty: float) -> int:
        drawing = Drawing(**penalty)
        return len(set(written(network, [[5]], longest=40, ends=(), drawing=drawing)[0].tokens))

    plain = kinds()
    assert kinds(presence_penalty=2.0) > plain and kinds(frequency_penalty=2.0) > plain
    with pytest.raises(ValueError, match="presence_penalty"):
        Drawing(presence_penalty=3)
