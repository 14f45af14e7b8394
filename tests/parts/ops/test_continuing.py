"""Writing on over a cache gives what reading everything again would give, for rows of any length together or alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from feilun.parts.engine.randomness import initialised
from feilun.parts.models import decoder
from feilun.parts.ops import step_graph
from feilun.parts.ops.continuing import Sizes, Written, gone_on
from feilun.parts.ops.next_token import Drawing

PROMPTS = ([3, 5, 7], [4], [9, 9, 2, 8, 6, 5, 4, 3])


@pytest.fixture(scope="module", name="network")
def made() -> decoder.Network:
    with initialised(0):
        network = decoder.build(decoder.MODEL(width=32, depth=2, heads=4, groups=2), symbols=24, longest=16)
    for weight in network.parameters():
        weight.data.mul_(4)
    return network.eval()


def written(
    network: decoder.Network, prompts: Sequence[Sequence[int]], context: int = 64, **more: Any
) -> list[Written]:
    step = decoder.Step(network)

    def run(graph: str, *wanted: str, **given: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            out = step(**{name: torch.from_numpy(np.array(value)) for name, value in given.items()})
        return {name: out[name].numpy() for name in wanted}

    sizes = Sizes(layers=2, groups=2, head=8, context=context, symbols=20, banned=(0, 1))
    told = {"longest": 12, "drawing": Drawing(), "seeds": [[7, *prompt] for prompt in prompts], "ends": (2,), **more}
    return gone_on(step_graph.step(run), prompts, sizes, **told)


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
