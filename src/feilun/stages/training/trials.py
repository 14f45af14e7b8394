"""A training that is one trial of several: where it was halted, so that it goes on from there or is never repeated."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feilun.core.errors import Stopped
from feilun.core.manifest import read_json, write_json
from feilun.core.work import Watch, Work

FILE = "halted.json"


def watched(work: Work) -> Watch | None:
    """What `fit` tells after every epoch. Raises Stopped at once for a trial that lies halted, and shall be."""
    judge = work.watch
    if judge is None:
        return None
    before = halted(work.folder) or {"curves": [], "epochs": 1, "seconds": 0.0}
    started = time.monotonic()

    def watch(curves: Sequence[Mapping[str, Any]], epochs: int) -> bool:
        if not judge(curves, epochs):
            return False
        seconds = round(before["seconds"] + time.monotonic() - started, 3)
        write_json(work.folder / FILE, {"curves": list(curves), "epochs": epochs, "seconds": seconds})
        return True

    if before["curves"] and judge(before["curves"], before["epochs"]):
        raise Stopped("This trial was halted here before.")
    return watch


def halted(folder: Path) -> dict[str, Any] | None:
    """{curves, epochs, seconds} of a trial that was halted in this training folder; None if none was."""
    path = folder / FILE
    return dict(read_json(path)) if path.is_file() else None
