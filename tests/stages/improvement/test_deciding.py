"""The rule that promotes or keeps, and its words."""

import numpy as np
import pytest

from feilun.stages.improvement.deciding import Duel, verdict


def duel(wins, losses, ties=30, better="higher"):
    """Rows in which the challenger is right and the champion wrong, the other way round, and alike."""
    champion = np.concatenate([np.zeros(wins), np.ones(losses), np.ones(ties)])
    challenger = np.concatenate([np.ones(wins), np.zeros(losses), np.ones(ties)])
    if better == "lower":
        champion, challenger = -champion, -challenger
    ids = [str(i) for i in range(wins + losses + ties)]
    return Duel(ids=ids, champion=champion, challenger=challenger, better=better).summary()


EMPTY = Duel(ids=(), champion=np.zeros(0), challenger=np.zeros(0), better="higher").summary()


@pytest.mark.parametrize(
    "held, gate, expected",
    [
        (duel(12, 2), duel(0, 0), ("promote", "12 wins, 2 losses")),
        (duel(12, 2), duel(3, 5), ("promote", "12 wins, 2 losses")),
        (duel(4, 2), duel(9, 0), ("keep", "4 wins, 2 losses, could be chance")),
        (duel(1, 1), duel(0, 0), ("keep", "1 win, 1 loss, no better")),
        (duel(0, 0), duel(0, 0), ("keep", "0 wins, 0 losses, no better")),
        (duel(2, 12), duel(0, 0), ("keep", "2 wins, 12 losses, no better")),
        (
            duel(12, 2),
            duel(1, 9),
            ("keep", "better on feedback (12 wins, 2 losses) but clearly worse on gate rows: 1 win, 9 losses"),
        ),
        (EMPTY, duel(9, 0), ("keep", "no feedback was held back to judge by; collect more")),
        (duel(12, 2, better="lower"), EMPTY, ("promote", "12 wins, 2 losses")),
        (duel(5, 0), duel(0, 0), ("promote", "5 wins, 0 losses")),  # 1/32 is under 0.05
        (duel(4, 0), duel(0, 0), ("keep", "4 wins, 0 losses, could be chance")),  # 1/16 is not
    ],
)
def test_the_rule(held, gate, expected):
    assert verdict(held, gate, 0.05) == expected


def test_a_duel_counts_the_challengers_wins_and_ignores_ties():
    summary = duel(12, 2)
    assert (summary["wins"], summary["losses"], summary["n"]) == (12, 2, 44)
    assert summary["p"] == pytest.approx(106 / 2**14)  # (1 + 14 + 91) of 2^14 ways to have at least 12 of 14
    assert summary["challenger"] > summary["champion"]
