"""The forecast: what it measures, how it grows with rows and epochs, and that it leaves nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feilun.core import discover, reading
from feilun.core.errors import InputError
from feilun.core.recipe import Recipe, Train
from feilun.stages.training import forecast

ROWS = 5_000


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sorted by the target, so that the first rows know one class only."""
    draw = np.random.default_rng(0)
    lines = [f"{draw.normal()},{draw.choice(list('uvw'))},{'yes' if row > 3_000 else 'no'}" for row in range(ROWS)]
    (tmp_path / "rows.csv").write_text("a,b,y\n" + "\n".join(lines), encoding="utf-8")
    return tmp_path


def recipe(folder: Path, **changes: Any) -> Recipe:
    values = {"name": "x", "data": {"source": "rows.csv"}, "target": "y", "model": "linear", **changes}
    made: Recipe = discover.stage_verb("data", "resolve")(reading.make_recipe(values), base=folder)
    return made


def test_a_forecast_says_seconds_memory_steps_and_leaves_nothing(
    table: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(place))
    wanted = recipe(table, train={"epochs": 3, "batch_size": 50})
    splits = {"train": 3_010, "validation": 500, "gate": 490, "test": 1_000, "held": 0}
    found = discover.stage_verb("training", "forecast")(wanted, table, splits)
    assert found["steps"] == 3 * 61
    assert found["parameters"] > 0 and found["rows_per_s"] > 0
    assert found["seconds"] == pytest.approx(
        forecast.START_S + found["data_s"] + found["training_s"] + found["rest_s"], abs=0.2
    )
    assert found["memory_mb"] >= forecast.LIBRARIES_MB
    assert "on this computer, at most" in found["words"]
    assert not list(place.glob("tmp*")) and sorted(path.name for path in table.iterdir()) == ["rows.csv"]


def test_rows_are_counted_by_share_where_nobody_says_them(table: Path) -> None:
    few = forecast.of(recipe(table, train={"epochs": 1, "batch_size": 1}), table)
    assert few["steps"] == pytest.approx(0.6 * ROWS, rel=0.3)


def test_every_training_of_the_recipe_is_counted(table: Path) -> None:
    pace = forecast._Measured(parameters=1, row_s=0.1, judged_s=0.01, activations_bytes=0)

    def lasts(**train: Any) -> float:
        return forecast._training_s(Train(epochs=3, **train), pace, 100, 10, {"pretrain": 400, "pseudo_labels": 200})

    once = 3 * (100 * 0.1 + 10 * 0.01)
    assert lasts() == pytest.approx(once)
    assert lasts(few_shot=True) == pytest.approx(1.0)
    assert lasts(pretrain={"epochs": 2, "source": "more"}) == pytest.approx(once + 2 * 500 * 0.1)
    views = {"method": "contrastive", "epochs": 2, "source": "more"}
    assert lasts(pretrain=views, time_limit_s=5) == pytest.approx(5 + 4 * 500 * 0.1)
    assert lasts(pseudo_labels={"source": "more"}) == pytest.approx(once + 200 * 0.01 + once + 3 * 200 * 0.1)
    more = {"pretrain": {"source": "rows.csv"}, "pseudo_labels": {"source": "rows.csv"}}
    assert forecast._without_labels(recipe(table, train=more), table) == dict.fromkeys(more, ROWS)


def test_what_a_run_would_stumble_over_is_raised(table: Path) -> None:
    wanted = recipe(table).but(model={"name": "linear", "depth": 3})
    with pytest.raises(InputError, match="depth"):
        forecast.of(wanted, table)


def test_several_models_are_tried_one_after_the_other() -> None:
    keys = ("steps", "data_s", "training_s", "rest_s", "parameters", "memory_mb", "rows_per_s", "seconds")
    small = dict(zip(keys, (10, 1.0, 20.0, 3.0, 500, 900, 400, 24.0), strict=True))
    large = dict(zip(keys, (30, 1.0, 60.0, 5.0, 100, 1100, 90, 66.0), strict=True))
    both = forecast._together([small, large])
    assert both["seconds"] == forecast.START_S + 1 + 80 + 5 and both["memory_mb"] == 1100
    assert both["steps"] == 40 and both["parameters"] == 500 and both["rows_per_s"] == 90


@pytest.mark.parametrize(
    ("seconds", "words"), [(2, "about 5 s"), (93, "about 95 s"), (130, "about 2 min"), (9_000, "about 2.5 h")]
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert forecast._words({"seconds": seconds, "memory_mb": 1_100}) == f"{words} on this computer, at most 1.1 GB"
