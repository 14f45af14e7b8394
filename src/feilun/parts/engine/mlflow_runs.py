"""Parameters and curves for MLflow, told by a thread: a tracking server that is slow or gone costs nothing."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feilun.core.errors import FeilunError, MissingExtraError
from feilun.core.manifest import read_json, write_json

FILE = "mlflow.json"  # which MLflow run it is, so that a training that goes on is one run there too
PATIENCE_S = 30.0  # that MLflow gets after the end of training to take what is left: a new local database takes 10 s
LETTERS = 500  # of a parameter's value: the oldest servers take no more
AT_ONCE = 100  # parameters in one message, as the protocol has it


class MlflowRun:
    """One training as a run of MLflow. Where it goes says MLFLOW_TRACKING_URI, as everywhere in MLflow."""

    def __init__(self, folder: Path, experiment: str, name: str, params: Mapping[str, Any]) -> None:
        """experiment: the recipe's name, if MLFLOW_EXPERIMENT_NAME says nothing.  Raises MissingExtraError."""
        try:
            from mlflow.tracking import MlflowClient  # missed before training, not in the thread
        except ImportError as error:
            raise MissingExtraError(
                'train.report_to: mlflow needs the package mlflow-skinny. Run: pip install "feilun[mlflow]"',
                where="train.report_to",
                expected="an installed mlflow",
                got=str(error),
                fix='pip install "feilun[mlflow]"',
            ) from error
        self.folder, self.name, self.connect = folder, name, MlflowClient
        self.experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", experiment)
        self.params = {key: f"{value}"[:LETTERS] for key, value in params.items()}
        self.left: queue.Queue[tuple[int, float, Mapping[str, float]] | str] = queue.Queue()
        self.failed: Exception | None = None
        self.thread = threading.Thread(target=self._tell, name="mlflow", daemon=True)

    def begin(self, step: int) -> None:
        """Where it is known already, the same run goes on, without the points that it has."""
        self.thread.start()

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """Points of several curves, told when MLflow is ready. Raises FeilunError once it took none."""
        if self.failed is not None:
            raise self._error()
        self.left.put((step, time.time(), values))

    def end(self, *, finished: bool) -> None:
        """Wait a little for what is left. Raises FeilunError if it was not taken."""
        self.left.put("FINISHED" if finished else "KILLED")
        self.thread.join(PATIENCE_S)
        if self.thread.is_alive() and self.failed is None:
            self.failed = TimeoutError(f"no answer within {PATIENCE_S:g} s")
        if self.failed is not None:
            raise self._error()

    def _tell(self) -> None:
        try:
            client = self.connect()
            run = self._run(client)
            known = max(
                (point.step for name in _curves(client, run) for point in _history(client, run, name)), default=0
            )
            while not isinstance(item := self.left.get(), str):
                step, at, values = item
                if step > known:
                    _log(client, run, step, at, values)
            client.set_terminated(run, status=item)
        except Exception as error:  # whatever a server or a network does, training goes on
            self.failed = error

    def _run(self, client: Any) -> str:
        """The id of the run in MLflow, begun if there is none yet."""
        if (self.folder / FILE).is_file():
            run = str(read_json(self.folder / FILE)["run_id"])
            client.update_run(run, status="RUNNING")
            return run
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found is not None else client.create_experiment(self.experiment)
        run = str(client.create_run(experiment, run_name=self.name).info.run_id)
        write_json(self.folder / FILE, {"run_id": run, "experiment": self.experiment})
        _parameters(client, run, self.params)
        return run

    def _error(self) -> FeilunError:
        said = f"{type(self.failed).__name__}: {self.failed}"
        return FeilunError(said.splitlines()[0][:300], where="train.report_to")


def _parameters(client: Any, run: str, params: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    every: Sequence[Any] = [Param(key, value) for key, value in params.items()]
    for start in range(0, len(every), AT_ONCE):
        client.log_batch(run, params=every[start : start + AT_ONCE])


def _log(client: Any, run: str, step: int, at: float, values: Mapping[str, float]) -> None:
    from mlflow.entities import Metric

    client.log_batch(run, metrics=[Metric(name, value, int(at * 1000), step) for name, value in values.items()])


def _curves(client: Any, run: str) -> list[str]:
    return list(client.get_run(run).data.metrics)


def _history(client: Any, run: str, name: str) -> list[Any]:
    return list(client.get_metric_history(run, name))
