"""A training in several processes, as the stage starts it: stopped, killed, gone on from, errors told as ours."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from feilun import lifecycle
from feilun.core import discover
from feilun.core.errors import InputError, MissingExtraError, RecipeError, Stopped
from feilun.core.manifest import read_json, write_json
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Work
from feilun.parts.engine import interrupts
from feilun.stages.training import processes, verbs, worker

OWN = """
import os
import signal
from pathlib import Path

import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer, self.steps = nn.Linear(10, outputs), 0

    def forward(self, **batch):
        self.steps += self.training
        if self.steps == 40 and os.environ.get("RANK") == "1" and (how := Path({how!r})).is_file():
            what = how.read_text()
            how.unlink()
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("a mistake in the user's network")
        numbers = torch.cat([value.float().flatten(1) for value in batch.values()], 1)
        return {{"values": self.layer(numbers[:, :10])}}

def build(inputs, outputs):
    return Network(inputs, outputs)
"""


class Hearing:
    """A Say that remembers lines and epochs, and presses Ctrl-C in this epoch."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.lines: list[str] = []
        self.epochs: list[int] = []
        self.stop_at = stop_at

    def line(self, text: str) -> None:
        """Remember it."""
        self.lines.append(text)

    def progress(self, stage: str, **fields: Any) -> None:
        """Remember it, and ask for a stop when it is time."""
        self.epochs.append(fields["epoch"])
        if fields["epoch"] >= self.stop_at:
            interrupts.ask()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Work]:
    """Work on the data of the regression example, encoded once."""
    base = tmp_path_factory.mktemp("processes")
    example = discover.task("regression").example_recipe
    plain = {**example, "task": "regression", "name": "line", "data": {"source": "builtin:regression"}}
    (base / "data").mkdir()
    task = discover.task("regression")
    before = Work(
        recipe=lifecycle.call("data", "resolve", Recipe.model_validate(plain), base=base),
        task=task,
        folder=base / "data",
        before={},
        say=Quiet(),
        base=base,
    )
    lifecycle.call("data", "make", before)

    def work(folder: Path, say: Any = None, **train: Any) -> Work:
        recipe = before.recipe.but(train={**before.recipe.train.model_dump(), "checkpoint_s": 0.001, **train})
        stage = folder / "1" / "training"
        stage.mkdir(parents=True, exist_ok=True)
        given = {"folder": stage, "before": {"data": base / "data"}, "say": say or Quiet(), "base": base}
        return Work(recipe=recipe, task=task, **given)

    return work


def own(work: Work, path: Path, model: str = "own") -> Work:
    """The same with a network of the user's own; an empty path: one from Python."""
    import dataclasses

    if path.name:
        (work.folder.parent.parent / "models").mkdir()
        (work.folder.parent.parent / "models" / "abc.py").write_text(OWN.format(how=str(path)))
    recipe = work.recipe.but(model={"name": "own", "sha256": "abc"})
    return dataclasses.replace(work, recipe=recipe)


def apart(one: Path, other: Path) -> float:
    """The largest difference of two weights."""
    left, right = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    return max((left[name] - right[name]).abs().max().item() for name in left)


def test_stopped_in_two_and_gone_on_in_one(made: Any, tmp_path: Path) -> None:
    whole = made(tmp_path / "whole")
    verbs.make(whole)
    say = Hearing(stop_at=20)
    with pytest.raises(Stopped, match=r"Stopped after step .* of 480 .*feilun run line"):
        verbs.make(made(tmp_path / "parts", say, processes=2, epochs=60))
    assert sorted(set(say.epochs)) != [20] and say.epochs == sorted(say.epochs)
    parts = made(tmp_path / "parts", again := Hearing())
    stopped_at = read_json(parts.folder / "checkpoint.json")["step"]
    assert len(list(parts.folder.glob("step-*"))) == 1 and not (parts.folder / processes.FOLDER).exists()
    assert verbs.make(parts).facts["processes"] == 1
    assert again.lines == [f"Going on from step {stopped_at} of 480."]
    assert apart(whole.folder, parts.folder) < 1e-5  # 480 steps of float32 sums in another order


def test_a_killed_process_ends_the_others_and_two_go_on(made: Any, tmp_path: Path) -> None:
    """Own network, which kills the second process; in the same folder it then trains to the end."""
    how = tmp_path / "how"
    work = own(made(tmp_path / "home", processes=2, epochs=10), how)
    how.write_text("kill")
    with pytest.raises(InputError, match=r"One of the 2 training processes was lost.*checkpoint is whole"):
        verbs.make(work)
    step = read_json(work.folder / "checkpoint.json")["step"]
    assert 30 <= step <= 40
    assert verbs.make(work).facts["processes"] == 2
    assert [point["epoch"] for point in read_json(work.folder / "curves.json")] == list(range(1, 11))


def test_a_mistake_in_the_users_network_is_told_with_its_trace(made: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("RANK", "1")
    how = tmp_path / "how"
    how.write_text("raise")
    work = own(made(tmp_path / "home", epochs=10), how)
    (tmp_path / "log").touch()
    write_json(tmp_path / worker.JOB, worker.job(work, tmp_path / "home" / "models" / "abc.py"))
    assert not worker.work_on(tmp_path)
    error = processes.failure(work, tmp_path)
    assert str(error) == "ValueError: a mistake in the user's network"
    assert "in forward" in error.__notes__[0]


def test_a_network_from_python_is_refused(made: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be sent.*model: \{file"):
        processes.train(own(made(tmp_path, processes=2), Path()))


def test_what_the_processes_raise_is_raised(made: Any, tmp_path: Path) -> None:
    """Both meet the same loss that is no number; it is told once, as ours."""
    with pytest.raises(InputError, match=r"became .* at step .*Lower train.learning_rate") as told:
        verbs.make(made(tmp_path, processes=2, learning_rate=1e30, optimizer="sgd", clip=None, epochs=3))
    assert told.value.where == "train.learning_rate"
    assert not (tmp_path / "1" / "training" / "processes").exists()


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    """Waiting for a second process that never comes, it still notices."""
    (tmp_path / worker.JOB).write_text(json.dumps({"recipe": {"train": {"device": "cpu"}}}))
    alone = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    command = [sys.executable, "-m", worker.__name__, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **alone}) as process:
        process.communicate()
    assert process.returncode == 1


HEAD = """
import sys
import ray
print(ray.init(address="local", num_cpus=2, include_dashboard=False).address_info["address"], flush=True)
sys.stdin.read()
"""


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_ray_cluster_scores_the_same(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of this machine alone, with a token of its own; it ends with its standard input."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    pytest.importorskip("ray", reason="needs Ray: pip install 'feilun[cluster]'")
    whole = made(tmp_path / "whole", epochs=5)
    verbs.make(whole)
    with subprocess.Popen(
        [sys.executable, "-c", HEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as head:
        assert head.stdout is not None
        address = head.stdout.readline().strip()
        work = made(tmp_path / "cluster", say := Hearing(), processes=2, epochs=5, cluster=address)
        assert verbs.make(work).facts["processes"] == 2
        head.communicate()
    assert say.epochs[-1] == 5
    assert apart(whole.folder, work.folder) < 1e-5


def test_without_ray_the_package_is_named(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'feilun\[cluster\]'"):
        verbs.make(made(tmp_path, processes=2, cluster="ray://nowhere:10001"))
