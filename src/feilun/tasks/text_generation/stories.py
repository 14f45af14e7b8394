"""The built-in example: little stories, and what follows from each."""

from __future__ import annotations

import random

from feilun.core.task import Row

PEOPLE = ("Anna", "Bo", "Chen", "Dina", "Emil", "Fatima", "Gus", "Hana")
THINGS = ("cats", "cups", "keys", "maps", "pens", "ropes")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def _story(drawn: random.Random) -> Row:
    """Such as `Anna has five cats and gives Bo two.` -> `Anna keeps three cats.`"""
    one, other = drawn.sample(PEOPLE, 2)
    has = drawn.randrange(2, 9)
    given = drawn.randrange(1, has + 1)
    thing = drawn.choice(THINGS)
    told = f"{one} has {NUMBERS[has]} {thing} and gives {other} {NUMBERS[given]}."
    return {"told": told, "follows": f"{one} keeps {NUMBERS[has - given]} {thing}."}


def example(seed: int) -> list[Row]:
    """500 little stories, and what follows from each."""
    drawn = random.Random(seed)
    return [_story(drawn) for _ in range(500)]
