"""The built-in example of a task, whose training kills itself at random instants: used by test_kills.py.

python kill_training.py TASK FOLDER KILLS SEED makes the data once, trains once undisturbed, then trains in children of
which KILLS are killed, lets the last one finish, and prints how many died, at which steps, and both hashes.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import torch
from promise_life import recipe_of
from torch import nn
from torch.optim import AdamW

from feilun import lifecycle
from feilun.core import discover, sources
from feilun.core.manifest import hash_file
from feilun.core.progress import Quiet
from feilun.lifecycle import STAGES, Given

WEIGHTS = "weights.safetensors"
LONGEST_S = 0.8  # of processor time before a child dies: opening the data and building the networks is part of it


def make(task: str, home: Path, stages: int) -> None:
    """The first stages of the example; what is there is not made again."""
    recipe = recipe_of(task)
    recipe = recipe.but(train={**recipe.train.model_dump(mode="json"), "checkpoint_s": 0.02})
    resolved = lifecycle.call("data", "resolve", recipe, base=home, frame=None)
    folder = home / "kills" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    lifecycle.make_stages(resolved, STAGES[:stages], folder, Given(base=home, say=Quiet()))


def child(task: str, home: Path, stages: int, dies_after_s: float) -> bool:
    """Make the stages in a child; whether it died of its timer. Anything else that ends it badly is an error."""
    number = os.fork()
    if not number:
        if dies_after_s:
            # Processor time, not the clock: however busy the machine is, they die all over the training. Nobody
            # handles SIGPROF, so it ends the process as suddenly as SIGKILL.
            signal.setitimer(signal.ITIMER_PROF, dies_after_s)
        try:
            make(task, home, stages)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(number, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return True
    if status:
        raise SystemExit(f"a child ended with status {status}")
    return False


def main(task: str, folder: Path, kills: int, seed: int) -> None:
    """See above."""
    lifecycle.call("data", "resolve", recipe_of(task), base=folder, frame=None)
    for stage in STAGES[:2]:  # read the sources once, not in every child
        modules = [f"feilun.stages.{stage}.verbs", discover.module_name("tasks", task)]
        sources.code_hash(
            [*modules, *(name for room in ("models", "features") for name in discover.names(room).values())]
        )
    for home in (folder / "whole", folder / "killed"):
        child(task, home, 1, 0.0)
    before = os.times().children_user
    child(task, folder / "whole", 2, 0.0)
    longest_s = min(LONGEST_S, 0.8 * (os.times().children_user - before))  # some examples are learnt in less
    drawn, died, steps = random.Random(seed), 0, list[int]()
    training = folder / "killed" / "kills" / "1" / "training"
    while died < kills and not (training / "manifest.json").is_file():
        died += child(task, folder / "killed", 2, drawn.uniform(0.01, longest_s))
        if (training / "checkpoint.json").is_file():
            steps.append(json.loads((training / "checkpoint.json").read_text())["step"])
    child(task, folder / "killed", 2, 0.0)
    whole, killed = (folder / home / "kills" / "1" / "training" for home in ("whole", "killed"))
    curves = [[_untimed(point) for point in json.loads((home / "curves.json").read_text())] for home in (whole, killed)]
    same = hash_file(whole / WEIGHTS) == hash_file(killed / WEIGHTS)
    print(json.dumps({"died": died, "steps": steps, "same_weights": same, "same_curves": curves[0] == curves[1]}))


def _untimed(point: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in point.items() if name != "rows_per_s"}


if __name__ == "__main__":
    torch.set_num_threads(1)
    AdamW([nn.Parameter(torch.zeros(1))])  # its first use imports for a second: once here, not in every child
    for room in ("tasks", "models", "features"):
        for module in discover.names(room).values():
            importlib.import_module(module)
    for stage in STAGES[:2]:
        discover.stage_value(stage, "USES", ())
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
