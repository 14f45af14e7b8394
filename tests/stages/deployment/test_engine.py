"""The engine: slots are freed at once, nobody starves, what no cache can hold is refused, and errors end nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from feilun.core.recipe import Serve
from feilun.parts.ops.continuing import Pen, Sizes, Wish
from feilun.parts.ops.held_text import Holding, Pieces, to_schema
from feilun.stages.deployment.serving.language.engine import Engine, Piece
from feilun.stages.deployment.serving.replies import Refused

SYMBOLS, END = 40, 1
SIZES = Sizes(layers=1, groups=1, head=4, context=1024, symbols=SYMBOLS, banned=(0,))


class Counting:
    """A step that writes the next number behind each, a letter a token; held up until `permits` are given."""

    def __init__(self, *, is_held: bool = False) -> None:
        self.permits = threading.Semaphore(0 if is_held else 1_000_000)
        self.stepped = threading.Semaphore(0)
        self.rows: list[int] = []
        self.fails = False

    def __call__(
        self, *, tokens: np.ndarray, length: np.ndarray, past: np.ndarray, cache: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        self.stepped.release()
        assert self.permits.acquire(timeout=60)
        if self.fails:
            self.fails = False
            raise RuntimeError("planted")
        self.rows.append(len(tokens))
        last = tokens[np.arange(len(tokens)), length - 1]
        logits = np.full((len(tokens), SYMBOLS), -5.0, np.float32)
        logits[np.arange(len(tokens)), np.where(last + 1 < SYMBOLS, last + 1, 2)] = 5.0
        return logits, np.zeros((1, 2, len(tokens), 1, tokens.shape[1], 4), np.float32)


def letters(tokens: Sequence[int]) -> str:
    return "".join(chr(ord("A") + token) for token in tokens)


def engine_of(step: Counting, **settings: Any) -> Engine:
    pen = Pen(
        step=step,
        sizes=SIZES,
        ends=(END,),
        decode=letters,
        written=lambda token: letters([token]).encode(),
        row=lambda asked: {},
        prompt=lambda row: [2],
        hold=lambda schema, longest: Holding(to_schema(schema, Pieces([]), END), longest),
    )
    return Engine(pen, Serve(**settings))


def wish(first: int = 2, longest: int = 5) -> Wish:
    return Wish(prompt=[first], longest=longest)


async def written(engine: Engine, key: str, *wishes: Wish, stops: tuple[str, ...] = ()) -> list[str]:
    texts = [""] * len(wishes)
    async with aclosing(engine.pieces(key, wishes, stops)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            texts[piece.choice] += piece.text
    return texts


async def until(is_so: Any) -> None:
    """Something that another thread is about to do."""
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0)


@pytest.fixture(name="step")
def held() -> Iterator[Counting]:
    step = Counting(is_held=True)
    yield step
    step.permits.release(10_000)


def test_texts_of_a_request_are_written_together_and_end_each_for_itself() -> None:
    step = Counting()
    engine = engine_of(step, slots=4)
    texts = asyncio.run(written(engine, "a", wish(), wish(5, 9), wish(8), stops=("M",)))
    assert texts == ["DEFGH", "GHIJKL", "JKL"] and max(step.rows) == 3
    assert engine.counts == {"writing": 0, "waiting": 0}


def test_who_goes_away_frees_the_slot_before_the_next_step(step: Counting) -> None:
    engine = engine_of(step, slots=1)

    async def scenario() -> None:
        async with aclosing(engine.pieces("a", [wish(longest=500)], ())) as gone:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(written(engine, "b", wish(longest=2)))
            step.permits.release(2)
            first = await anext(gone)
            assert isinstance(first, Piece) and engine.counts == {"writing": 1, "waiting": 1}
        step.permits.release(2 + 1)  # what was under way, and the other's
        assert await waiting == ["DE"]

    asyncio.run(scenario())
    assert len(step.rows) <= 2 + 1 + 2


def test_who_goes_away_while_waiting_is_never_written(step: Counting) -> None:
    engine = engine_of(step, slots=1)

    async def scenario() -> None:
        running = asyncio.ensure_future(written(engine, "a", wish(longest=3)))
        await until(lambda: engine.counts["writing"])
        waiting = asyncio.ensure_future(written(engine, "a", wish(longest=100)))
        await until(lambda: engine.counts["waiting"])
        waiting.cancel()
        await asyncio.wait([waiting])
        assert engine.counts == {"writing": 1, "waiting": 0}
        step.permits.release(3)
        assert await running == ["DEF"]

    asyncio.run(scenario())
    assert len(step.rows) == 3


def test_a_hundred_requests_of_one_key_do_not_starve_another(step: Counting) -> None:
    engine = engine_of(step, slots=1, queue=200)

    async def scenario() -> list[str]:
        order: list[str] = []

        async def one(key: str) -> None:
            await written(engine, key, wish(longest=1))
            order.append(key)

        many = [asyncio.ensure_future(one("many")) for _ in range(100)]
        await until(lambda: engine.counts["waiting"] == 99)
        few = [asyncio.ensure_future(one("few")) for _ in range(2)]
        await until(lambda: engine.counts["waiting"] == 101)
        step.permits.release(102)
        await asyncio.gather(*many, *few)
        return order

    order = asyncio.run(scenario())
    assert len(order) == 102 and max(place for place, key in enumerate(order) if key == "few") <= 5


def test_in_a_full_line_who_waits_with_most_gives_way(step: Counting) -> None:
    engine = engine_of(step, slots=1, queue=3)

    async def scenario() -> None:
        many = [asyncio.ensure_future(written(engine, "many", wish(longest=1))) for _ in range(4)]
        await until(lambda: engine.counts["waiting"] == 3)
        with pytest.raises(Refused, match="waiting") as full:
            await written(engine, "many", wish())
        assert full.value.status == 503 and full.value.retry_after_s
        few = asyncio.ensure_future(written(engine, "few", wish(longest=1)))
        await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
        step.permits.release(4)
        assert await few == ["D"]
        ended = await asyncio.gather(*many, return_exceptions=True)
        assert [isinstance(one, Refused) for one in ended] == [False, False, False, True], "the newest gave way"
        with pytest.raises(Refused, match="waiting"):
            await written(engine, "few", *[wish()] * 5)
        assert engine.counts == {"writing": 0, "waiting": 0}

    asyncio.run(scenario())


def test_what_no_cache_can_hold_is_refused_and_what_is_waits_for_room() -> None:
    token_bytes = 2 * 4 * 4
    step = Counting()
    engine = engine_of(step, slots=4, cache_mb=2 * 128 * token_bytes * 2 / 1e6)
    with pytest.raises(Refused, match="cache_mb") as large:
        asyncio.run(written(engine, "a", wish(longest=1000)))
    assert large.value.status == 400 and not step.rows
    texts = asyncio.run(written(engine, "a", *[wish(longest=100)] * 4))
    assert [len(text) for text in texts] == [100] * 4 and max(step.rows) == 2


def test_an_error_while_writing_is_told_and_the_next_request_is_served(caplog: pytest.LogCaptureFixture) -> None:
    step = Counting()
    engine = engine_of(step)
    step.fails = True
    with pytest.raises(Exception, match="error of its own"):
        asyncio.run(written(engine, "a", wish()))
    assert "planted" in caplog.text and engine.counts == {"writing": 0, "waiting": 0}
    assert asyncio.run(written(engine, "a", wish())) == ["DEFGH"]


def test_an_idle_engine_has_no_thread_and_no_cache() -> None:
    engine = engine_of(Counting())
    asyncio.run(written(engine, "a", wish()))
    for thread in threading.enumerate():
        if thread.name == "writing":
            thread.join(30)
    assert engine._thread is None and engine._batch._cache.nbytes == 0
