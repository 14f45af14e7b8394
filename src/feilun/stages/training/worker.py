"""One of several processes of a training: `python -m feilun.stages.training.worker FOLDER`, started by torchrun.

The folder is where it and its parent meet: `job.json` is what to do, `said.jsonl` what the first process tells, `stop`
appears when somebody wants it to end, `made.json` is the result, `error-<rank>.json` why there is none.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from feilun.core import discover
from feilun.core.errors import FeilunError
from feilun.core.manifest import read_json, write_json
from feilun.core.progress import Quiet
from feilun.core.protocols import Say
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.engine import group, interrupts

JOB, SAID, STOP, MADE, LOG = "job.json", "said.jsonl", "stop", "made.json", "log"
LOOKED_FOR_S = 0.2  # how often a wish to stop is looked for


def main(folder: Path) -> int:
    """Join the others, train with them, and end with the parent, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _join(folder)
    if not work_on(folder):
        return 1  # the others may be gone: nobody is waited for
    group.leave()
    return 0


def work_on(folder: Path) -> bool:
    """Train; the process group is there. Returns whether it came to its end; if not, the folder holds the reason."""
    here = group.current()
    if here.writes:
        threading.Thread(target=_stop_when_asked, args=(folder,), daemon=True).start()
    try:
        job = read_json(folder / JOB)
        own = discover.own_model(discover.python_file(Path(job["own"]))) if job["own"] else nullcontext()
        with own:
            facts = discover.stage_verb("training", "train")(
                _work(job, _Telling(folder / SAID) if here.writes else Quiet())
            )
    except BaseException as error:  # whatever it is, the parent tells it
        write_json(folder / f"error-{here.rank}.json", _told(error))
        return False
    if here.writes:
        write_json(folder / MADE, facts)
    return True


def job(work: Work, own: Path | None) -> dict[str, Any]:
    """The work as JSON. own: the file of the user's network."""
    return {
        "recipe": work.recipe.model_dump(mode="json"),
        "folder": str(work.folder),
        "before": {stage: str(place) for stage, place in work.before.items()},
        "base": str(work.base),
        "version": work.version,
        "parent": work.parent and str(work.parent),
        "lap": work.lap and str(work.lap),
        "own": own and str(own),
    }


def backends(*, gpus: bool) -> str:
    """How processes talk: numbers on the CPU through gloo, tensors on GPUs through nccl."""
    return "cpu:gloo,cuda:nccl" if gpus else "gloo"


@dataclass(frozen=True, slots=True)
class _Telling:
    """A Say whose words the parent says."""

    path: Path

    def line(self, text: str) -> None:
        """A line that stays."""
        self._write({"line": text})

    def progress(self, stage: str, **fields: Any) -> None:
        """The line that is overwritten."""
        self._write({"stage": stage, "fields": fields})

    def curves(self, curves: Sequence[Mapping[str, Any]], epochs: int) -> bool:
        """What somebody who watches the epochs is told; whoever says stop says it through the folder."""
        self._write({"curves": list(curves), "epochs": epochs})
        return False

    def _write(self, said: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said, default=str) + "\n")


def _work(job: dict[str, Any], say: Say) -> Work:
    recipe = Recipe.model_validate(job["recipe"])
    return Work(
        recipe=recipe,
        task=discover.task(str(recipe.task)),
        folder=Path(job["folder"]),
        before={stage: Path(place) for stage, place in job["before"].items()},
        say=say,
        base=Path(job["base"]),
        version=job["version"],
        parent=job["parent"] and Path(job["parent"]),
        lap=job["lap"] and Path(job["lap"]),
        watch=say.curves if isinstance(say, _Telling) else None,
    )


def _join(folder: Path) -> None:
    """Into the process group that torchrun's environment describes; where there are GPUs, one for each process."""
    gpu = torch.cuda.is_available() and read_json(folder / JOB)["recipe"]["train"]["device"] != "cpu"
    if gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(backends(gpus=gpu))


def _told(error: BaseException) -> dict[str, Any]:
    """An error as JSON: its kind by name, ours with all fields; `lost` if it only says that another process is gone."""
    fields = error.to_json() if isinstance(error, FeilunError) else {"message": f"{type(error).__name__}: {error}"}
    lost = isinstance(error, distributed.DistError) or "gloo" in str(error)
    return {**fields, "kind": type(error).__name__, "lost": lost, "at": time.time(), "trace": traceback.format_exc()}


def _stop_when_asked(folder: Path) -> None:
    while folder.is_dir():
        if (folder / STOP).exists():
            interrupts.ask()
        time.sleep(LOOKED_FOR_S)


def _end_with_parent() -> None:
    """Standard input is a pipe that the parent holds: it ends when the parent does, even killed."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    status = main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(status)  # threads of the process group may outlive it, and end a Python that is going down with SIGABRT
