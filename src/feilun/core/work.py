"""What a stage is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.core.recipe import Recipe
    from feilun.core.task import Task

Watch = Callable[[Sequence[Mapping[str, Any]], int], bool]
"""Told the curves so far and how many epochs there will be; whether training shall stop here, to go on or not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One stage's job: read `before`, write into `folder`, return Made.

    folder: exists; may hold what an interrupted attempt with the same key left, and then the stage goes on from it.
    before: folders of the finished earlier stages, by stage name.
    parent: in a lap, the run folder of the champion: its rows, fitted features and weights are where this run starts.
    lap: in a lap, the folder with the new rows from feedback.
    frame: a table given from Python instead of `data.source`.
    watch: told after every epoch, where training is one trial of several.
    """

    recipe: Recipe
    task: Task
    folder: Path
    before: Mapping[str, Path]
    say: Say
    base: Path  # relative paths in the recipe start here
    version: int = 0
    parent: Path | None = None
    lap: Path | None = None
    frame: Any = None
    watch: Watch | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What a stage tells the manifest: scores, and facts for later stages and people.

    `facts["chosen"]`: values of `train` that were chosen by measurement; they go into the recipe that is written back.
    """

    scores: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
