"""Results as docs/design.md asks for: one line per claim, and the file they are written to. No benchmark itself."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def line(
    claim: str, ours: Sequence[float], peer: Sequence[float], *, unit: str, target: str, met: bool | None, **more: Any
) -> dict[str, Any]:
    """One line of the table; the ratio is ours to the peer's, run by run.

    more: `null` (ours again: runs of the same thing), `peers` ({package: version} of the other side), and anything else
    that the line should say.
    """
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    null, versions = (
        more.pop("null", None),
        {name: version(name) for name in ("torch", "numpy")} | more.pop("peers", {}),
    )
    same = None if null is None else statistics.median(a / b for a, b in zip(null, ours, strict=True))
    return {
        "claim": claim,
        "ours": round(statistics.median(ours), 3),
        "peer": round(statistics.median(peer), 3),
        "unit": unit,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "null_ratio": None if same is None else round(same, 3),
        "runs": len(ratios),
        "target": target,
        "met": met,
        **more,
        "versions": versions,
    }


def claimed(
    words: str, found: Mapping[str, Sequence[float]], sides: tuple[str, str], *, unit: str, target: str, **more: Any
) -> dict[str, Any]:
    """A line of our side against a peer, by their names in `found`.

    Only the side called `ours` claims something, `ratio >= x` or `ratio <= x`, and has a null control, `again`.
    """
    ours, peer = sides
    if ours != "ours":
        return line(words, found[ours], found[peer], unit=unit, target="reported", met=None, **more)
    made = line(words, found[ours], found[peer], unit=unit, target=target, met=None, null=found["again"], **more)
    limit, ratio = float(target.split()[-1]), made["ratio_median"]
    return {**made, "met": ratio >= limit if ">=" in target else ratio <= limit}


def write(name: str, lines: Sequence[dict[str, Any]], *, keep: bool = False) -> None:
    """Write benchmarks/results/NAME.json. keep: claims that were not measured this time stay as they are."""
    path = RESULTS / f"{name}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if keep and path.is_file() else []
    merged = {one["claim"]: one for one in [*old, *lines]}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(merged.values()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def status(lines: Sequence[dict[str, Any]]) -> int:
    """The exit status of a benchmark: 3 where a claim was missed."""
    return 3 if any(one["met"] is False for one in lines) else 0
