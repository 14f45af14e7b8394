"""`model: auto` as a race: candidate models and rates side by side, halted where they fall behind, the best go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import FeilunError, Stopped
from feilun.core.manifest import hash_json, read, read_json
from feilun.core.recipe import Recipe
from feilun.core.work import Watch
from feilun.parts.engine import memory
from feilun.stages.training import trials

if TYPE_CHECKING:
    from feilun.core.protocols import Say

# % of its epochs after which a trial is compared with other rates of its model, other models
RATES, MODELS, WHOLE = 15, 45, 101
# Early losses that differ by less say nothing: the candidate's own rate goes on, and every model.
MARGIN = 0.98
FACTORS = (1 / 3, 3.0)  # further rates of each candidate, where the recipe names none
PIP = "pip install 'feilun[search]'"

Attempt = Callable[[Recipe, Path, Watch], Mapping[str, Path]]  # trains one trial -> {stage: its folder}


@dataclass(kw_only=True, slots=True)
class Raced:
    """What came of every trial.  halted: (recipe, {curves, epochs, seconds}), or (recipe, None) if never started."""

    tried: list[tuple[Recipe, Mapping[str, Path]]] = field(default_factory=list)
    failed: list[tuple[Recipe, FeilunError]] = field(default_factory=list)
    halted: list[tuple[Recipe, dict[str, Any] | None]] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class _Trial:
    recipe: Recipe
    model: int  # the candidate whose rate it varies
    own_rate: bool  # of the candidate
    folder: Path
    stages: Mapping[str, Path] | None = None  # once it is finished
    loss: float = math.inf  # the least validation loss so far
    seconds: float = 0.0


@dataclass(kw_only=True, slots=True)
class _Until:
    """A watch that halts a trial after this share of its epochs, in %."""

    share: int
    halted: bool = False
    curves: Sequence[Mapping[str, Any]] = ()

    def __call__(self, curves: Sequence[Mapping[str, Any]], epochs: int) -> bool:
        self.curves, self.halted = curves, 100 * len(curves) >= self.share * epochs
        return self.halted


def race(asked: Recipe, candidates: Sequence[Recipe], parent: Path, attempt: Attempt, say: Say) -> Raced:
    """Train what keeps up.  asked: with `model: auto`.  candidates: the simplest first, which is always trained whole.

    Successive halving (Jamieson & Talwalkar 2016) by Optuna: after 15 % of its epochs the best rate of each model goes
    on, after 45 % the best model, those within 2 % of it, and the simplest. A trial is halted with a checkpoint, so
    that nothing is computed twice, and what lies halted or finished in `parent/auto-<hash>` is not repeated by a run
    that was killed.
    A trial that fails is listed with its reason.  `train.time_limit_s` holds for all together.
    """
    optuna = _optuna(say)
    there = _trials(asked, candidates, parent, with_rates=optuna is not None)
    raced = Raced()
    lap = _Lap(attempt=attempt, raced=raced, there=there, limit_s=asked.train.time_limit_s)
    alive = there
    if optuna is not None and len(there) > len(candidates):
        alive = lap.run(alive, RATES)
        models = [[one for one in alive if one.model == model] for model in range(len(candidates))]
        alive = [one for rates in models for one in _best(optuna, rates, RATES)]
    if optuna is not None and len(candidates) > 1:
        alive = lap.run(alive, MODELS)
        best = _best(optuna, alive, MODELS)
        near = min(one.loss for one in alive) / MARGIN if alive else 0.0
        alive = [one for one in alive if one in best or one.model == alive[0].model or one.loss <= near]
    lap.run(alive, WHOLE)
    raced.tried = [(one.recipe, one.stages) for one in there if one.stages is not None]
    failed = [recipe for recipe, _ in raced.failed]
    rest = [one for one in there if one.stages is None and one.recipe not in failed]
    raced.halted = [(one.recipe, trials.halted(one.folder / "training")) for one in rest]
    return raced


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lap:
    attempt: Attempt
    raced: Raced
    there: Sequence[_Trial]
    limit_s: float | None

    def run(self, alive: Sequence[_Trial], share: int) -> list[_Trial]:
        """Bring each to this share of its epochs, in %; those that did not fail."""
        return [one for one in alive if one.stages is not None or self._runs(one, _Until(share=share))]

    def _runs(self, one: _Trial, until: _Until) -> bool:
        spent_s = sum(other.seconds for other in self.there)
        if self.limit_s is not None and spent_s >= self.limit_s and any(other.stages for other in self.there):
            return False
        try:
            with memory.told(one.recipe.train):
                one.stages = self.attempt(one.recipe, one.folder, until)
        except Stopped:
            if not until.halted:
                raise
            one.seconds = (trials.halted(one.folder / "training") or {}).get("seconds", 0.0)
        except FeilunError as error:
            self.raced.failed.append((one.recipe, error))
        else:
            until.curves = read_json(one.stages["training"] / "curves.json")
            made = read(one.stages["training"])
            one.seconds += made.seconds if made else 0.0
        losses = [point["validation_loss"] for point in until.curves if point["validation_loss"] is not None]
        one.loss = min(losses, default=math.inf)
        return one.stages is not None or until.halted


def share(asked: Recipe) -> float:
    """How many times the training of all candidates a race takes at most, about: they are whole, other rates begin."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        return 1.0
    return 1.0 if _named(asked) else 1 + RATES / 100 * len(FACTORS)


def _named(asked: Recipe) -> bool:
    """Whether the recipe says the rate, or how it is found."""
    return "learning_rate" in asked.train.model_fields_set or bool(asked.train.find)


def _trials(asked: Recipe, candidates: Sequence[Recipe], parent: Path, *, with_rates: bool) -> list[_Trial]:
    """Each candidate as it is, then with other rates; each with its part of the time."""
    factors = (1.0, *(FACTORS if with_rates and not _named(asked) else ()))
    part = len(candidates) * (1 + RATES / 100 * (len(factors) - 1))
    made = []
    for model, candidate in enumerate(candidates):
        for factor in factors:
            changes: dict[str, Any] = {}
            if factor != 1:
                changes["learning_rate"] = float(f"{candidate.train.learning_rate * factor:.2g}")
            if asked.train.time_limit_s is not None:
                changes["time_limit_s"] = round(asked.train.time_limit_s / part, 3)
            plan = {**candidate.train.model_dump(mode="json"), **changes}
            recipe = candidate.but(train=plan) if changes else candidate
            folder = parent / f"auto-{hash_json(recipe.model_dump(mode='json'))[:12]}"
            made.append(_Trial(recipe=recipe, model=model, own_rate=factor == 1, folder=folder))
    return made


def _optuna(say: Say) -> Any:
    """The package; None, and a line that says so, where it is not installed."""
    try:
        import optuna
    except ImportError:
        say.line(f"every model is trained whole; {PIP} halts those that fall behind, and tries other learning rates")
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _best(optuna: Any, alive: Sequence[_Trial], share: int) -> list[_Trial]:
    """The one with the least loss, and what equals it."""
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=share, reduction_factor=max(2, len(alive)))
    study = optuna.create_study(pruner=pruner)
    kept = []
    for one in sorted(alive, key=_early):  # the best first: a trial is compared with those before it
        trial = study.ask()
        trial.report(_early(one), step=share)
        if not trial.should_prune():
            kept.append(one)
    return [one for one in alive if one in kept]


def _early(one: _Trial) -> float:
    """The loss by which it is compared."""
    return one.loss * (MARGIN if one.own_rate else 1.0)
