"""What a stage is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.core.recipe import Recipe
    from feilun.core.task import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One stage's job: read `before`, write into `folder`, return Made.

    folder: exists; may hold what an interrupted attempt with the same key left, and then the stage goes on from it.
    before: folders of the finished earlier stages, by stage name.
    parent: in a lap, the run folder of the champion: its rows, fitted features and weights are where this run starts.
    lap: in a lap, the folder with the new rows from feedback.
    frame: a table given from Python instead of `data.source`.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What a stage tells the manifest: scores, facts for later stages and people, and values chosen by measurement."""

    scores: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
