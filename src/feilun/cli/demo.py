"""The demonstration: train on clean digits, serve, meet other hands, be corrected, get better, lap by lap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.cli.record import Context, Result

if TYPE_CHECKING:
    from feilun.cli.demo_digits import Request
    from feilun.cli.demo_laps import Lap
    from feilun.core.recipe import Recipe

REQUESTS, CORRECTED = 500, 150  # a lap
NAME = "digits"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Show:
    """What every lap needs. first: version 1, answering rows."""

    home: Path
    name: str
    context: Context
    address: str
    first: Callable[[Sequence[Any]], list[Any]]


def demo(context: Context, *, seed: int = 0, laps: int = 3) -> Result:
    """Go around the loop `laps` times and show what came of it; everything is measured, nothing scripted."""
    from feilun import lifecycle
    from feilun.cli import demo_laps, demo_traffic
    from feilun.cli.demo_digits import deal

    home = context.home.resolve()
    name = _free_name(home)
    if context.dry_run:
        return Result(text=f"Would make {home / name}: train, serve on loopback, {laps} laps. Nothing was done.")
    digits = deal(seed, laps + 1, REQUESTS)
    say = context.say
    say.line(f"Training {name}@1 on {len(digits.clean['label']):,} clean handwritten digits of scikit-learn.")
    run = lifecycle.run_recipe(_recipe(name, seed), home=home, base=home, say=say, frame=digits.clean)
    first = lifecycle.load(run.version, home=home).predict
    with demo_traffic.served(home, name) as address:
        say.line(f"Serving it at {address}; now people come who write differently.")
        show = _Show(home=home, name=name, context=context, address=address, first=first)
        say.line(demo_laps.line(demo_laps.HEAD, run.version))
        done: list[Lap] = []
        drifted = ""
        for number, requests in enumerate(digits.traffic):
            lap, words = _lap(show, number, requests, is_last=number == laps)
            say.line(demo_laps.line(lap.cells(), run.version))
            drifted = drifted or words
            done.append(lap)
    return _result(show, done, drifted)


def _lap(show: _Show, number: int, requests: Sequence[Request], is_last: bool) -> tuple[Lap, str]:
    """Serve, score, and unless it is the last lap, correct and improve. Returns the lap and what monitor noticed."""
    from feilun import lifecycle
    from feilun.cli import demo_digits, demo_traffic
    from feilun.cli.demo_laps import Lap

    champion, folder = lifecycle.find(show.name, show.home)[1:]
    served = f"{show.name}@{champion}"
    demo_traffic.wait_for(show.address, served)
    answered = demo_traffic.ask(show.address, requests)
    alone = show.first([request.row for request in requests])
    decision, noticed = "", ""
    if not is_last:
        chosen = demo_digits.spread(requests, CORRECTED)
        demo_traffic.correct(show.address, [answered[i] for i in chosen], [requests[i].label for i in chosen])
        told = lifecycle.call("improvement", "monitor", show.home, show.name, folder)
        noticed = next((line for line in told["lines"] if line.startswith("Drift")), "")
        decided = lifecycle.improve(show.name, home=show.home, say=_Quieter(say=show.context.say))
        challenger = decided["challenger"].rpartition("@")[2]
        decision = f"promote @{challenger}" if decided["decision"] == "promote" else f"keep @{champion}"
        decision += f": {decided['reason']}"
    lap = Lap(
        number=number,
        served=served,
        requests=len(requests),
        right=sum(map(_is_right, (each["answer"] for each in answered), requests)),
        right_first=sum(map(_is_right, alone, requests)),
        decision=decision,
    )
    return lap, noticed


@dataclass(frozen=True, kw_only=True, slots=True)
class _Quieter:
    """Progress, but no lines: they would stand in the middle of the table."""

    say: Any

    def line(self, text: str) -> None:
        """Dropped."""

    def progress(self, stage: str, **fields: Any) -> None:
        """Shown."""
        self.say.progress(stage, **fields)


def _result(show: _Show, laps: Sequence[Lap], drifted: str) -> Result:
    from feilun import lifecycle
    from feilun.cli import demo_laps
    from feilun.core import manifest

    folder = show.home / show.name
    given = lifecycle.call("improvement", "feedback", show.home, show.name)
    held = sum(bool(entry["held"]) for entry in given)
    closing = [
        f"{REQUESTS} requests a lap, scored before any training on them; "
        f"{len(given)} corrected in all, {held} of them held back to judge by.",
        *([f"{drifted}."] if drifted else []),
    ]
    manifest.write_bytes(folder / "laps.svg", demo_laps.svg(laps).encode())
    manifest.write_bytes(folder / "laps.html", demo_laps.page(show.name, laps, closing).encode())
    places = [f"Both curves: {folder / 'laps.html'}", f"Report: {folder / 'report.html'}"]
    version = laps[-1].served
    rows = [{**asdict(lap), "interval": lap.interval} for lap in laps]
    value = {"laps": rows, "drift": drifted, "corrected": len(given), "held": held, "picture": str(folder / "laps.svg")}
    return Result(
        value=value,
        text="\n".join([*closing, *places]),
        name=show.name,
        version=version,
        run=str(folder),
        next=f"feilun serve {show.name}",
    )


def _is_right(answer: Any, request: Request) -> bool:
    return str(answer["label"]) == request.label


def _recipe(name: str, seed: int) -> Recipe:
    """Version 1: a small convolutional network."""
    from feilun.core.recipe import Recipe

    return Recipe.model_validate(
        {"name": name, "task": "classification", "seed": seed, "inputs": {"image": "image"}, "target": "label"}
        | {"model": "cnn", "train": {"epochs": 20, "patience": None, "threads": 1}}
    )


def _free_name(home: Path) -> str:
    """digits, or the first of digits-2, digits-3, ... that is free: an earlier demonstration stays as it is."""
    number = 1
    while (home / _numbered(number)).exists():
        number += 1
    return _numbered(number)


def _numbered(number: int) -> str:
    return NAME if number == 1 else f"{NAME}-{number}"
