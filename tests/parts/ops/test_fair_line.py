"""Nobody starves: not for a turn, and not for a place in the line."""

from __future__ import annotations

from feilun.parts.ops.fair_line import Line


def served_in_order(line: Line[str], served: dict[str, int]) -> list[str]:
    found = []
    while (thing := line.first(served)) is not None:
        line.remove(thing[0], thing)
        found.append(thing)
    return found


def test_a_hundred_requests_of_one_do_not_keep_another_waiting() -> None:
    line = Line[str]()
    for number in range(100):
        assert line.add("a", f"a{number}", 200)
    assert line.add("b", "b0", 200) and line.add("b", "b1", 200)
    assert served_in_order(line, {})[:5] == ["a0", "b0", "a1", "b1", "a2"]


def test_who_is_served_least_is_next() -> None:
    line = Line[str]()
    for thing in ("a0", "a1", "b0"):
        line.add(thing[0], thing, 10)
    assert line.first({"a": 3, "b": 1}) == "b0"
    assert line.first({"a": 0, "b": 1}) == "a0"


def test_in_a_full_line_the_newest_of_who_waits_with_most_gives_way() -> None:
    line = Line[str]()
    assert all(line.add("a", thing, 3) for thing in ("a0", "a1", "a2"))
    assert not line.add("b", "b0", 3) and len(line) == 3
    assert line.gives_way("a") is None
    assert line.gives_way("b") == "a2"
    line.remove("a", "a2")
    assert line.add("b", "b0", 3)
    assert line.gives_way("b") is None, "two and one: another of b would only turn it round"
    assert line.gives_way("c") == "a1"
    line.remove("c", "nothing")
    assert served_in_order(line, {}) == ["a0", "b0", "a1"]
