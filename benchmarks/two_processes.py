"""Claim: two processes with one core each train at 0.9 or more of the speed of one process with both cores.

The same global batch, split in two or not, through the product's `fit`, on the transformer (width 512, context 256) and
the MNIST CNN of `loop_overhead`. Alternating runs; each starts its processes anew, trains some epochs to warm up, and
takes the median of the others. The null control is one process against itself.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

import loop_overhead
import record
from feilun.core.recipe import Train
from feilun.parts.engine.fit import fit
from feilun.parts.engine.plan import Index, Learning
from feilun.parts.engine.randomness import initialised

RUNS, CORES, TARGET = 5, 2, 0.9
EPOCHS = {"transformer, width 512, context 256": (1, 3), "MNIST CNN": (2, 5)}  # to warm up, and timed


def worked(name: str) -> float:
    """Rows a second of this process and those it trains with."""
    warm, timed = EPOCHS[name]
    torch.default_generator.manual_seed(0)
    case = loop_overhead.CASES[name]()
    with initialised(0):
        network = case.make()

    def objective(networks: Mapping[str, Callable[..., Tensor]], batch: Mapping[str, Tensor], player: str) -> Tensor:
        called: Any = networks[player]
        return case.loss(called, batch["x"], batch["y"])

    plan = Train(epochs=warm + timed, batch_size=case.batch, compile="never", patience=None)
    arrays = {"x": case.inputs.numpy(), "y": case.labels.numpy()}
    index, learning = Index(train=np.arange(len(case.inputs))), Learning(objective=objective)
    done = fit({"main": network}, arrays, index, learning, plan)
    return statistics.median(point["rows_per_s"] for point in done.curves[warm:])


def started(name: str, processes: int) -> float:
    """The same in new processes, which share the cores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    fixed = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = {**os.environ, **fixed, "OMP_NUM_THREADS": str(CORES // processes)}
    command = [sys.executable, str(Path(__file__)), "--worker", name]
    every = [
        subprocess.Popen(command, env={**environment, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(processes)
    ]
    said = [process.communicate()[0] for process in every]
    if any(process.returncode for process in every):
        raise SystemExit(f"{name} in {processes} processes failed")
    return float(json.loads(said[0].splitlines()[-1]))


def measure(name: str, runs: int = RUNS) -> dict[str, Any]:
    """One line of the table. null: one process again, against one process."""
    two, one, again = [], [], []
    for _ in range(runs):
        for processes, into in ((1, one), (2, two), (1, again)):
            into.append(started(name, processes))
    line = record.line(
        f"two processes against one with both cores, {name}: at least {TARGET} of its speed",
        two,
        one,
        unit="rows/s, more is better",
        target=f">= {TARGET}",
        met=statistics.median(a / b for a, b in zip(two, one, strict=True)) >= TARGET,
    )
    return {**line, "null_ratio": round(statistics.median(a / b for a, b in zip(again, one, strict=True)), 3)}


def main(arguments: list[str]) -> int:
    """Print the table and write benchmarks/results/two_processes.json."""
    if arguments[:1] == ["--worker"]:
        distributed.init_process_group("gloo")
        print(json.dumps(worked(arguments[1])))
        distributed.destroy_process_group()
        return 0
    lines = []
    for name in EPOCHS:
        lines.append(measure(name))
        line = lines[-1]
        print(f"{line['claim']} {line['ours']} {line['peer']} {line['ratio_median']} {line['null_ratio']}", flush=True)
    record.write("two_processes", lines)
    return record.status(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
