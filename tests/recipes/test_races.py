"""Races are fair: the referee's scores and clock, and the schedule that peers are given, are the right ones."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from feilun.core.recipe import Train
from feilun.parts.engine.schedule import learning_rate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Any:
    """benchmarks/sides/course.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "sides"))
    return importlib.import_module("course")


def _course(sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    draw = np.random.default_rng(0)
    rows = {f"{part}_x": draw.normal(size=(200, 3)) for part in ("train", "validation", "test")}
    rows |= {f"{part}_y": draw.integers(0, 2, 200) for part in ("train", "validation", "test")}
    np.savez(tmp_path / "rows.npz", **rows)
    told = {"data": str(tmp_path / "rows.npz"), "score": "auc", "check": 0.25, "targets": [0.6, 0.8], **options}
    monkeypatch.setattr(sys, "argv", ["side", json.dumps({"epochs": 4, "batch": 10, "rate": 0.1, **told})])
    return sides.Course()


def test_peers_get_our_schedule(sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = _course(sides, tmp_path, monkeypatch, cycle=True)
    plan = Train(learning_rate=0.1, decay="one_cycle")
    assert course.steps == 80
    ours = [learning_rate(plan, step, 80) for step in range(80)]
    assert np.allclose([course.rate(step) for step in range(80)], ours, rtol=1e-12)
    assert _course(sides, tmp_path, monkeypatch).rate(40) == 0.1


def test_the_area_under_the_curve(sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = _course(sides, tmp_path, monkeypatch)
    scores = np.random.default_rng(1).integers(0, 9, 200) / 10  # many equal ones
    expected = roc_auc_score(course.rows["test_y"], scores)
    assert course.quality(np.stack([-scores, scores], 1), "test") == pytest.approx(expected, abs=1e-12)


def test_the_referee_looks_four_times_an_epoch_and_stops_at_the_last_target(
    sides: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    course, looks = _course(sides, tmp_path, monkeypatch), list[str]()
    values = iter([0.5, 0.7, 0.71, 0.4, 0.75, 0.9, 0.88])

    def logits(part: str) -> np.ndarray:
        looks.append(part)
        return np.zeros(0)

    monkeypatch.setattr(sides.Course, "quality", lambda self, said, part: next(values))
    watch = sides.Watch(course, logits)
    steps = next(step for step in range(1, 81) if watch.step())
    watch.tell()
    told = json.loads(capsys.readouterr().out)
    # 0.5 | 0.7 and, of the test rows, 0.71 | 0.4 | 0.75 | 0.9 and 0.88; five steps from look to look
    assert looks == ["validation", "validation", "test", "validation", "validation", "validation", "test"]
    assert steps == told["steps"] == 25
    assert {target: (one["steps"], one["validation"], one["test"]) for target, one in told["reached"].items()} == {
        "0.6": (10, 0.7, 0.71),
        "0.8": (25, 0.9, 0.88),
    }
    assert told["best"] == 0.9
