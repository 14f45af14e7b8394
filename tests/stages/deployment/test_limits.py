"""Depth of JSON is measured on any bytes, in linear time, with strings left out."""

from __future__ import annotations

import json
import random
import time

import pytest

from feilun.stages.deployment.serving import limits


def _depth(value: object) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def test_depth_is_that_of_the_parsed_value() -> None:
    draw = random.Random(1)
    texts = ["", "[", '"', "\\", '\\"', "}{", "a\\", "字", "\n"]

    def value(level: int) -> object:
        kind = draw.randrange(4) if level else 3
        if kind == 0:
            return [value(level - 1) for _ in range(draw.randrange(3))]
        if kind == 1:
            return {draw.choice(texts) + str(at): value(level - 1) for at in range(draw.randrange(3))}
        return draw.choice([1, None, True, *texts])

    for _ in range(500):
        made = value(6)
        assert limits.depth(json.dumps(made, ensure_ascii=draw.random() < 0.5).encode()) == _depth(made)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 3_000_000,
        b'"' * 3_000_001,
        b'"' + b'\\"' * 1_500_000,
        b"[]" * 1_500_000,
        b'"' + b"\\" * 3_000_001,
        bytes(range(256)) * 12_000,
    ],
)
def test_hostile_bytes_take_linear_time(body: bytes) -> None:
    started = time.process_time()
    limits.depth(body)
    assert time.process_time() - started < 5  # quadratic would take hours
