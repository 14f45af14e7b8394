"""A training in several processes: started by torchrun or by Ray, listened to, stopped, and its errors told as ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from feilun.core import errors
from feilun.core.errors import FeilunError, InputError, RecipeError
from feilun.core.manifest import read_json, write_json
from feilun.core.protocols import Say
from feilun.core.work import Watch, Work
from feilun.parts.engine import checkpoints, execution, interrupts
from feilun.stages.training import trials, worker

FOLDER = "processes"  # in the stage's folder while it trains, gone afterwards
LISTENED_S = 0.1


def train(work: Work) -> dict[str, Any]:
    """Train in `train.processes` processes; what they left when stopped or killed is gone on from, by any number.

    Raises RecipeError where this network or this machine cannot, and what the processes raised.
    """
    own = _own_file(work)
    _check_devices(work)
    watch = trials.watched(work)  # or this is a trial that was halted here
    folder = work.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)  # of a parent that was killed
    folder.mkdir()
    write_json(folder / worker.JOB, worker.job(work, own))
    try:
        _launch(work, folder, watch)
        if not (folder / worker.MADE).is_file():
            raise failure(work, folder)
        return dict(read_json(folder / worker.MADE))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def failure(work: Work, folder: Path) -> FeilunError:
    """Why there is no result: the first error of ours, else the first of any kind, else that a process was lost."""
    told = sorted((read_json(path) for path in folder.glob("error-*.json")), key=lambda one: float(one["at"]))
    causes = [one for one in told if not one["lost"]]
    ours = [one for one in causes if "code" in one]
    for one in ours or causes:
        kind = getattr(errors, one["kind"], FeilunError)
        fields = {name: one.get(name, "") for name in ("where", "expected", "got", "fix")}
        made: FeilunError = kind(one["message"], **fields)
        made.add_note(str(one["trace"]))
        return made
    name, path = work.recipe.name, folder / worker.LOG
    log = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not told and work.recipe.train.cluster is not None:
        return InputError(f"Ray could not run the training: {log:.500}", where="train.cluster", got=log[:100])
    saved = (work.folder / checkpoints.FILE).is_file()
    error = InputError(
        f"One of the {work.recipe.train.processes} training processes was lost: killed, perhaps for want of memory, or "
        f"its machine is gone. {'The newest checkpoint is whole; t' if saved else 'T'}ype the same command again "
        f"(feilun run {name}){' to go on from there' if saved else ''}.",
        where="train.processes",
        expected="processes that live to the end",
        got=log[-300:].strip(),
        fix=f"feilun run {name}",
    )
    error.add_note(log)
    return error


def _launch(work: Work, folder: Path, watch: Watch | None) -> None:
    """Until all processes have ended; what they say is said meanwhile, and a wish to stop is passed on."""
    heard = _Heard(folder, work.say, watch)
    plan = work.recipe.train
    if plan.cluster is not None:
        from feilun.stages.training import cluster

        started = cluster.started(folder, plan)
    else:
        started = _torchrun(folder, plan.processes)
    with interrupts.watched() as stop, started as is_over:
        while not is_over():
            if stop.asked:
                (folder / worker.STOP).touch()
            heard.say()
            time.sleep(LISTENED_S)
    heard.say()


@contextmanager
def _torchrun(folder: Path, processes: int) -> Iterator[Callable[[], bool]]:
    """The processes under torchrun on this machine; they end when this is left, or when this process ends."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["--no-python", sys.executable, "-m", worker.__name__, str(folder)]
    threads = str(max(1, torch.get_num_threads() // processes))
    detached: dict[str, Any] = {"start_new_session": True}  # Ctrl-C is ours to pass on
    if os.name == "nt":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    with (folder / worker.LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": threads},
            **detached,
        )
        try:
            yield lambda: process.poll() is not None
        finally:
            process.communicate()  # closes their standard input: who still works ends


@dataclass(slots=True)
class _Heard:
    """What the first process tells, said here."""

    folder: Path
    teller: Say
    watch: Watch | None
    read: int = field(default=0)  # bytes

    def say(self) -> None:
        """Whatever is new."""
        path = self.folder / worker.SAID
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(self.read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            said = json.loads(line)
            if "line" in said:
                self.teller.line(said["line"])
            elif "curves" in said:
                if self.watch is not None and self.watch(said["curves"], said["epochs"]):
                    (self.folder / worker.STOP).touch()
            else:
                self.teller.progress(said["stage"], **said["fields"])


def _own_file(work: Work) -> Path | None:
    """The kept file of the user's own network; None for ours. Raises RecipeError for one from Python."""
    if work.recipe.model.name != "own":
        return None
    kept = work.folder.parent.parent / "models" / f"{work.recipe.model.options.get('sha256', '')}.py"
    if not kept.is_file():
        raise RecipeError(
            "A network given from Python cannot be sent to other processes. Write the function that builds it into a "
            "file, and name that: model: {file: my_model.py}.",
            where="model",
            expected="a network in a file",
            got="one from Python",
            fix="model: {file: my_model.py}",
        )
    return kept


def _check_devices(work: Work) -> None:
    """Raises RecipeError where processes would have to share a device that one process has for itself."""
    plan = work.recipe.train
    if plan.cluster is not None:
        return
    device = execution.device(plan.device)
    if device.type not in ("cpu", "cuda"):
        raise _device_error(f"several processes work on cpu or cuda, and this is {device.type}", plan.device)
    if device.type == "cuda" and plan.processes > torch.cuda.device_count():
        raise _device_error(
            f"{plan.processes} processes need as many GPUs; here are {torch.cuda.device_count()}", "cuda"
        )


def _device_error(why: str, got: str) -> RecipeError:
    return RecipeError(
        f"train.processes: {why}. Write train.device: cpu, or fewer processes.",
        where="train.processes",
        expected="cpu, or a GPU for each process",
        got=got,
        fix="train.device: cpu",
    )
