"""Curves in MLflow: with the real library and a local database; a missing package; a server that is not there."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import training_to_kill as worked

from feilun.core.errors import MissingExtraError, Stopped
from feilun.core.manifest import read_json
from feilun.core.progress import Heard
from feilun.parts.engine import mlflow_runs
from feilun.parts.engine.mlflow_runs import MlflowRun

SHORT = worked.PLAN.model_copy(update={"epochs": 6})


def test_the_missing_package_is_told_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "mlflow.tracking", raising=False)
    with pytest.raises(MissingExtraError, match=r'pip install "feilun\[mlflow\]"'):
        MlflowRun(tmp_path, "my", "my@1", {})


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    return pytest.importorskip("mlflow", reason='MLflow is not installed: pip install "feilun[mlflow]"')


def stopped(players: Any, batch: Any, player: str) -> Any:
    """The objective, stopped by hand in the first step."""
    if players["maker"].training:
        os.kill(os.getpid(), signal.SIGINT)
    return worked.objective(players, batch, player)


@pytest.mark.filterwarnings("ignore")  # of MLflow's own
def test_parameters_and_curves_arrive_once_in_one_run(
    tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    params = {"train.epochs": 6, "model.name": "x" * 9000}

    def train(objective: Any) -> Any:
        return worked.train(tmp_path, SHORT, objective, watchers=(MlflowRun(tmp_path, "my", "my@1", params),))[1]

    monkeypatch.setattr(mlflow_runs, "PATIENCE_S", 200.0)  # making the database may take long on a busy machine
    with pytest.raises(Stopped):
        train(stopped)
    client = MlflowClient()
    run = str(read_json(tmp_path / mlflow_runs.FILE)["run_id"])
    assert client.get_run(run).info.status == "KILLED"
    fitted = train(worked.objective)
    (tmp_path / "checkpoint.json").unlink()
    train(worked.objective)  # all of it again, as after a kill without a checkpoint
    found = client.get_run(run)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "my@1"
    assert found.data.params["train.epochs"] == "6"
    for name in ("loss", "validation_loss", "learning_rate"):
        history = client.get_metric_history(run, f"epoch/{name}")
        assert Counter(point.step for point in history) == Counter(5 * point["epoch"] for point in fitted.curves)
        assert {point.value for point in history} == {point[name] for point in fitted.curves}
    assert len(client.search_runs([client.get_experiment_by_name("my").experiment_id])) == 1


@pytest.mark.filterwarnings("ignore")
def test_a_server_that_is_not_there_costs_one_line(
    tmp_path: Path, mlflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # the port of `discard`: nobody listens
    monkeypatch.setattr(mlflow_runs, "PATIENCE_S", 0.2)
    said, started = Heard(), time.monotonic()
    _, fitted = worked.train(None, SHORT, watchers=(MlflowRun(tmp_path, "my", "my@1", {}),), say=said)
    assert fitted.epochs == 6
    assert len(said.lines) == 1
    assert said.lines[0].startswith("MlflowRun gets no more curves (")
    assert time.monotonic() - started < 60  # MLflow itself tries for minutes
