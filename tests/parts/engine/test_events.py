"""Event files: read back by a strict reader and by TensorBoard; what a kill and a full disk leave; what they cost."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import event_records
import training_to_kill as worked

from feilun.core.errors import Stopped
from feilun.core.progress import Heard
from feilun.parts.engine import watching
from feilun.parts.engine.events import EventFile, crc32c

SHORT = worked.PLAN.model_copy(update={"epochs": 6})


def train(folder: Path, objective: Any = worked.objective, say: Any = None) -> Any:
    """Six epochs of five steps, watched."""
    return worked.train(folder, SHORT, objective, watchers=(EventFile(folder),), say=say)


def stopped_at(step: int, number: int = signal.SIGINT) -> Any:
    """The objective, with a signal in the middle of this training step."""
    count = 0

    def objective(players: Any, batch: Any, player: str) -> Any:
        nonlocal count
        if players["maker"].training:
            if count == step:
                os.kill(os.getpid(), number)
            count += 1
        return worked.objective(players, batch, player)

    return objective


def test_crc32c_is_that_of_rfc_3720() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of the catalogue of CRCs
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(bytes([0xFF] * 32)) == 0x62A8AB43


def test_every_epoch_and_the_last_step_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.0)
    monkeypatch.setattr("feilun.parts.engine.fit.DRAWN_EVERY_S", 0.0)
    _, fitted = train(tmp_path)
    (path,) = tmp_path.glob("events.out.tfevents.*")
    first, second, *_ = event_records.events(path)
    assert first["file_version"] == b"brain.Event:2"
    assert second["start"]
    shown = event_records.points(tmp_path)
    for name in ("loss", "validation_loss", "learning_rate", "rows_per_s"):
        expected = [(5 * point["epoch"], pytest.approx(point[name], rel=1e-6)) for point in fitted.curves]
        assert [(step, value) for step, tag, value in shown if tag == f"epoch/{name}"] == expected
    assert {"epoch/loss/critic", "epoch/loss/maker"} <= {tag for _, tag, _ in shown}
    steps = {tag: [step for step, each, _ in shown if each == tag] for _, tag, _ in shown}
    assert steps["step/loss"] == list(range(1, 31))
    assert steps["step/learning_rate"] == list(range(1, 31))
    # what the steps say is what the epoch says: each of the five batches has sixteen rows
    each = [value for _, tag, value in shown if tag == "step/loss"]
    assert sum(each[:5]) / 5 == pytest.approx(fitted.curves[0]["loss"], rel=1e-5)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For a process that forks: OpenMP's other threads do not live on in a child, which would wait for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_steps_that_are_repeated_after_a_kill_are_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.0)
    monkeypatch.setattr("feilun.parts.engine.fit.DRAWN_EVERY_S", 0.0)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    train(whole)
    for step in (13, 6):  # of those that this process makes
        if not os.fork():
            train(killed, stopped_at(step, signal.SIGKILL))
            os._exit(0)
        os.wait()
        path = sorted(killed.glob("events.out.tfevents.*"))[-1]
        path.write_bytes(path.read_bytes()[:-7])  # the record that was being written
    with pytest.raises(Stopped):
        train(killed, stopped_at(2))
    train(killed)
    shown = [(step, tag) for step, tag, _ in readable(killed)]
    assert max(Counter(shown).values()) == 1
    expected = {(step, tag): value for step, tag, value in event_records.points(whole) if "rows_per_s" not in tag}
    found = {(step, tag): value for step, tag, value in readable(killed) if "rows_per_s" not in tag}
    assert {key: value for key, value in found.items() if key[1].startswith("epoch")} == {
        key: value for key, value in expected.items() if key[1].startswith("epoch")
    }


def readable(folder: Path) -> list[tuple[int, str, float]]:
    """The points, where last records may be cut off: they are taken away first."""
    for path in folder.glob("events.out.tfevents.*"):
        data = path.read_bytes()
        while True:
            try:
                event_records.records(path)
                break
            except ValueError:
                data = data[:-1]
                path.write_bytes(data)
    return event_records.points(folder)


def test_tensorboard_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed: a second reader only")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(watching, "EVERY_S", 0.0)
    monkeypatch.setattr("feilun.parts.engine.fit.DRAWN_EVERY_S", 0.0)
    with pytest.raises(Stopped):
        train(tmp_path, stopped_at(7))
    (path,) = tmp_path.glob("events.out.tfevents.*")
    path.write_bytes(path.read_bytes()[:-7])  # as a kill leaves it
    (tmp_path / "checkpoint.json").unlink()  # and from the start again
    train(tmp_path)
    read = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    read.Reload()
    theirs = {(point.step, tag, point.value) for tag in read.Tags()["scalars"] for point in read.Scalars(tag)}
    ours = readable(tmp_path)
    assert theirs == set(ours)
    assert len([point for point in ours if point[1] == "step/loss"]) == 30


def test_a_file_that_cannot_be_written_is_told_once_and_changes_nothing(tmp_path: Path) -> None:
    expected, _ = worked.train(None, SHORT)
    said = Heard()

    class Full(EventFile):
        def _write(self, what: bytes) -> None:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
            handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            try:
                super()._write(what)
            finally:
                signal.signal(signal.SIGXFSZ, handler)
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    made, _ = worked.train(tmp_path, SHORT, watchers=(Full(tmp_path),), say=said)
    assert len([line for line in said.lines if "File too large" in line or "No space" in line]) == 1
    for player, network in made.items():
        for one, other in zip(network.parameters(), expected[player].parameters(), strict=True):
            assert torch.equal(one, other)


def test_points_within_an_epoch_are_rare(tmp_path: Path) -> None:
    train(tmp_path)
    steps = [step for step, tag, _ in event_records.points(tmp_path) if tag == "step/loss"]
    assert len(steps) < 30


def test_files_of_one_second_are_in_order_and_what_was_kept_stays(tmp_path: Path) -> None:
    for step in (0, 3, 5):  # the second and the third go on from a checkpoint where the one before had a point
        file = EventFile(tmp_path)
        file.begin(step)
        for each in (step + 1, {0: 3, 3: 5, 5: 6}[step]):
            file.note(each, {"x": float(step)})
        file.end(finished=False)
    assert [(step, value) for step, _, value in event_records.points(tmp_path)] == [
        *((1, 0.0), (3, 0.0), (4, 3.0), (5, 3.0)),
        *((6, 5.0), (6, 5.0)),
    ]
