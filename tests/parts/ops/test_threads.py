"""Calls in threads: results in order, errors too, and never more under way than can be held."""

import threading

import pytest

from feilun.parts.ops.threads import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_pieces(threads: int) -> None:
    first = threading.Event()

    def late(piece: int) -> int:
        if piece == 0 and threads > 1:
            assert first.wait(20)  # the first piece is done last of the first two
        if piece == 1:
            first.set()
        return piece * piece

    assert list(in_order(late, range(40), threads)) == [piece * piece for piece in range(40)]


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_in_order_is_raised_and_the_rest_is_left(threads: int) -> None:
    begun: list[int] = []

    def fails(piece: int) -> int:
        begun.append(piece)
        if piece in (3, 4):
            raise ValueError(str(piece))
        return piece

    with pytest.raises(ValueError, match="3"):
        list(in_order(fails, range(1000), threads))
    assert len(begun) < 20


def test_no_more_is_taken_than_can_be_worked_on() -> None:
    taken = 0

    def pieces() -> object:
        nonlocal taken
        for piece in range(100):
            taken += 1
            yield piece

    results = in_order(lambda piece: piece, pieces(), 2)
    next(results)
    assert taken <= 4
    results.close()
