"""Races to a score: each side a process of its own, two threads, the same rows, one seed after the other.

No benchmark itself. A side's options: data (npz: train_x, train_y, validation_*, test_*), seed, targets, score
(accuracy or auc), check (epochs between two looks at the validation rows), epochs, batch, rate, cycle (true: the rate
goes through one cycle; else it is constant), shift (share of the side that pictures are moved), smoothing (of labels);
for ours also model and train, as in a recipe; for peers widths of dense layers.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import peers
import record

SIDES = Path(__file__).resolve().parent / "sides"
FIRST_SEED = 30  # settings were chosen with smaller ones
LEAST_RUNS = 5  # fewer prove nothing
OURS, AGAIN = "ours", "again"  # the same side twice: the null control


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """Who runs: a script of benchmarks/sides, and what it is given."""

    script: str
    options: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)  # of the environment

    def run(self, shared: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """What came of it: `{reached: {target: {seconds, steps, validation, test}}, best, steps, seconds}`."""
        told = json.dumps({**shared, **self.options, "seed": seed})
        own = Path(sys.executable) if self.script == "by_fit" else None
        found: dict[str, Any] = peers.run(SIDES / f"{self.script}.py", told, interpreter=own, **self.variables)
        return found


def run(sides: Mapping[str, Side], shared: Mapping[str, Any], seeds: int) -> dict[str, list[dict[str, Any]]]:
    """Every side with every seed, the order turned round from seed to seed."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for name in sides if seed % 2 == 0 else reversed(list(sides)):
            done = sides[name].run(shared, seed)
            found[name].append(done)
            times = {target: round(one["seconds"], 2) for target, one in done["reached"].items()}
            print(
                f"seed {seed} {name}: {times or done['best']} of {done['seconds']:.1f} s", file=sys.stderr, flush=True
            )
    return found


def line(
    what: str,
    found: Mapping[str, list[dict[str, Any]]],
    ours: str,
    peer: str,
    target: float,
    *,
    most: float | None,
    words: str,
) -> dict[str, Any]:
    """One line of the table: our seconds to the target beside the peer's.

    most: the ratio that is claimed; None: it is reported.  A peer that never arrived counts with the seconds of its
    whole plan; if we did not, the claim is missed.
    """
    mine, theirs = found[ours], found[peer]
    arrived = all(str(target) in one["reached"] for one in mine)
    seconds = [[_seconds(one, target) for one in side] for side in (mine, theirs)]
    ratio = statistics.median(a / b for a, b in zip(*seconds, strict=True))
    again = [_seconds(one, target) for one in found[AGAIN]] if ours == OURS else None
    return record.line(
        f"{what}: {words}",
        *seconds,
        unit="s of training, less is better",
        target="reported" if most is None else f"ratio <= {most:g}",
        met=None if most is None or len(mine) < LEAST_RUNS else arrived and ratio <= most,
        null=again,
        reached={"ours": _arrived(mine, target), "peer": _arrived(theirs, target)},
        test={"ours": _test(mine, target), "peer": _test(theirs, target)},
        peers=peers.versions(),
    )


def show(lines: Sequence[Mapping[str, Any]]) -> None:
    """The table, as text."""
    print(f"{'claim':118} {'ours':>7} {'peer':>7} {'ratio':>6} {'null':>5} {'test':>13} {'target':>14} met")
    for one in lines:
        test = "{ours} {peer}".format(**one["test"])
        cells = f"{one['ours']:7} {one['peer']:7} {one['ratio_median']:6} {one['null_ratio'] or '':5} {test:>13}"
        print(f"{one['claim']:118} {cells} {one['target']:>14} {one['met']}")


def _seconds(done: Mapping[str, Any], target: float) -> float:
    return float(done["reached"].get(str(target), done)["seconds"])


def _arrived(side: Sequence[Mapping[str, Any]], target: float) -> str:
    return f"{sum(str(target) in one['reached'] for one in side)} of {len(side)}"


def _test(side: Sequence[Mapping[str, Any]], target: float) -> float | None:
    """Median score of the test rows at the moment of arrival."""
    scores = [one["reached"][str(target)]["test"] for one in side if str(target) in one["reached"]]
    return round(statistics.median(scores), 4) if scores else None
