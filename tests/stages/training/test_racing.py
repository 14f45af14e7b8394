"""Models and rates in a race: who is halted, who goes on, what a killed search repeats, what a failure does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from feilun.core import manifest
from feilun.core.errors import InputError, Stopped
from feilun.core.manifest import Manifest, write_json
from feilun.core.progress import Quiet
from feilun.core.recipe import Recipe
from feilun.core.work import Watch, Work
from feilun.stages.training import racing, trials

ASKED = Recipe.model_validate({"name": "x", "model": "auto"})
MODELS = ("linear", "mlp", "tabm")


def candidates(epochs: int = 20) -> list[Recipe]:
    """Three models."""
    return [ASKED.but(model=model, train={"epochs": epochs, "learning_rate": 0.01}) for model in MODELS]


class Field:
    """Trains by a formula instead of a network; remembers every epoch that was computed."""

    def __init__(self, losses: Mapping[tuple[str, float], float], fails: Any = None) -> None:
        self.losses, self.fails, self.epochs = losses, fails or {}, list[tuple[str, float, int]]()
        self.progress: dict[Path, list[dict[str, Any]]] = {}

    def attempt(self, recipe: Recipe, folder: Path, watch: Watch) -> dict[str, Path]:
        model, rate = str(recipe.model.name), recipe.train.learning_rate
        if model in self.fails:
            raise self.fails[model]
        training = folder / "training"
        training.mkdir(parents=True, exist_ok=True)
        if manifest.read(training) is not None:
            return {"training": training}
        work = Work(
            recipe=recipe,
            task=None,
            folder=training,
            before={},
            say=Quiet(),
            base=folder,
            watch=watch,  # type: ignore[arg-type]
        )
        told = trials.watched(work)
        assert told is not None
        curves = self.progress.setdefault(folder, [])
        while len(curves) < recipe.train.epochs:
            self.epochs.append((model, rate, len(curves) + 1))
            curves.append({"validation_loss": self.losses.get((model, rate), 9.0) + 1 / (len(curves) + 1)})
            if len(curves) < recipe.train.epochs and told(curves, recipe.train.epochs):
                raise Stopped("halted")
        write_json(training / "curves.json", curves)
        manifest.write(training, Manifest(kind="training", key="k", seconds=1.0))
        return {"training": training}


LOSSES = {("linear", 0.03): 3.0, ("linear", 0.01): 3.1, ("mlp", 0.01): 2.0, ("tabm", 0.0033): 1.0}


def test_the_best_rate_of_each_model_goes_on_then_the_best_model_and_the_simplest(tmp_path: Path) -> None:
    field = Field(LOSSES)
    raced = racing.race(ASKED, candidates(), tmp_path, field.attempt, Quiet())
    finished = [(recipe.model.name, recipe.train.learning_rate) for recipe, _ in raced.tried]
    assert finished == [("linear", 0.03), ("tabm", 0.0033)]
    halted = {(r.model.name, r.train.learning_rate): len(about["curves"]) for r, about in raced.halted if about}
    assert halted.pop(("mlp", 0.01)) == 9, "45 % of 20 epochs"
    assert set(halted.values()) == {3} and len(halted) == 6, "15 % of 20 epochs"
    assert len(field.epochs) == len(set(field.epochs)) == 2 * 20 + 9 + 6 * 3, "no epoch is computed twice"


def test_early_losses_that_hardly_differ_halt_no_model_and_change_no_rate(tmp_path: Path) -> None:
    losses = {("linear", 0.01): 9.0, ("mlp", 0.01): 2.02, ("mlp", 0.03): 2.0, ("tabm", 0.01): 2.0}
    raced = racing.race(ASKED, candidates(), tmp_path, Field(losses).attempt, Quiet())
    finished = [(recipe.model.name, recipe.train.learning_rate) for recipe, _ in raced.tried]
    assert finished == [("linear", 0.01), ("mlp", 0.01), ("tabm", 0.01)]


def test_a_search_that_is_repeated_trains_nothing_and_chooses_the_same(tmp_path: Path) -> None:
    first = racing.race(ASKED, candidates(), tmp_path, Field(LOSSES).attempt, Quiet())
    again = Field(LOSSES)
    second = racing.race(ASKED, candidates(), tmp_path, again.attempt, Quiet())
    assert again.epochs == []
    assert second == first


def test_a_rate_that_was_named_is_the_only_one(tmp_path: Path) -> None:
    asked = ASKED.but(train={"learning_rate": 0.01})
    field = Field(LOSSES)
    raced = racing.race(asked, candidates(), tmp_path, field.attempt, Quiet())
    assert {rate for _, rate, _ in field.epochs} == {0.01}
    assert [recipe.model.name for recipe, _ in raced.tried] == ["linear", "mlp"]


def test_failures_are_listed_and_only_a_person_stops_the_search(tmp_path: Path) -> None:
    fails = {"linear": InputError("no"), "tabm": MemoryError()}
    raced = racing.race(ASKED, candidates(), tmp_path / "a", Field(LOSSES, fails).attempt, Quiet())
    assert [(recipe.model.name, str(error)[:15]) for recipe, error in raced.failed][:1] == [("linear", "no")]
    assert {str(error)[:33] for r, error in raced.failed if r.model.name == "tabm"} == {
        "The training does not fit into me"
    }
    assert {recipe.model.name for recipe, _ in raced.tried} == {"mlp"}
    crash = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
    assert racing.race(ASKED, candidates(), tmp_path / "b", Field(LOSSES, {"tabm": crash}).attempt, Quiet()).failed
    for error in (Stopped("Ctrl-C"), RuntimeError("a fault of ours")):
        with pytest.raises(type(error)):
            racing.race(ASKED, candidates(), tmp_path / "c", Field(LOSSES, {"tabm": error}).attempt, Quiet())


def test_without_optuna_every_model_is_trained_whole_and_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said: list[str] = []
    say = Quiet()
    monkeypatch.setattr(Quiet, "line", lambda self, text: said.append(text))
    field = Field(LOSSES)
    raced = racing.race(ASKED, candidates(), tmp_path, field.attempt, say)
    assert [recipe.model.name for recipe, _ in raced.tried] == list(MODELS) and not raced.halted
    assert len(field.epochs) == 60 and "pip install 'feilun[search]'" in said[0]


def test_the_time_limit_holds_for_all_together(tmp_path: Path) -> None:
    asked = ASKED.but(train={"time_limit_s": 2.0, "learning_rate": 0.01})
    few = [one.but(train={**one.train.model_dump(mode="json"), "epochs": 1}) for one in candidates()]
    raced = racing.race(asked, few, tmp_path, Field(LOSSES).attempt, Quiet())
    assert [recipe.train.time_limit_s for recipe, _ in raced.tried] == [0.667, 0.667]
    assert [(recipe.model.name, about) for recipe, about in raced.halted] == [("tabm", None)], "no time was left for it"
