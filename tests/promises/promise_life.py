"""One life cycle of a task on its built-in example: made once, shared by every promise of that task."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from feilun import lifecycle
from feilun.core import discover
from feilun.core.recipe import Data, Recipe
from feilun.core.task import Row, Task
from feilun.lifecycle import Run
from feilun.parts.dataset import Table

NAME = "example"


@dataclass(frozen=True, kw_only=True)
class Life:
    """A finished run of a task's example. home: read it, copy it, never change it: other promises read it too."""

    task_name: str
    home: Path
    run: Run
    again: Run  # the same recipe a second time

    @property
    def task(self) -> Task:
        """The task's record."""
        task: Task = discover.task(self.task_name)
        return task

    @cached_property
    def table(self) -> Table:
        """The run's rows."""
        return Table.open(self.run.stages["data"])

    @cached_property
    def bundle(self) -> Any:
        """The packed model, plain precision, every hash verified."""
        return self.load("fp32")

    def load(self, variant: str | None) -> Any:
        """The packed model in one variant."""
        return lifecycle.call("deployment", "load", self.run.stages["deployment"], variant)

    def file(self, stage: str, name: str) -> Any:
        """A JSON file of a stage."""
        return json.loads((self.run.stages[stage] / name).read_text(encoding="utf-8"))

    def rows(self, split: str, limit: int | None = None) -> list[Row]:
        """Whole rows of a split, without our id."""
        columns = dict(self.table.columns(split, limit))
        columns.pop("_id", None)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def requests(self, split: str, limit: int | None = None) -> list[Row]:
        """Rows as a client sends them: only the columns the bundle asks for."""
        return [{name: row[name] for name in self.bundle.signature} for row in self.rows(split, limit)]

    def copy(self, folder: Path) -> Path:
        """A home of one's own to change."""
        shutil.copytree(self.home, folder, ignore=shutil.ignore_patterns(".lock"))
        return folder


def recipe_of(task_name: str) -> Recipe:
    """The task's example under a name of ours."""
    example = discover.task(task_name).example_recipe
    source = Data(source=f"builtin:{task_name}").model_dump()
    return Recipe.model_validate({**example, "name": NAME, "task": task_name, "data": source})


def live(task_name: str, folder: Path) -> Life:
    """Run the example; a process that comes second waits for the first and finds everything made."""
    home = folder / task_name / "home"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(folder / task_name / "building"):
        run = lifecycle.run_recipe(recipe_of(task_name), home=home, base=folder)
        again = lifecycle.run_recipe(recipe_of(task_name), home=home, base=folder)
    return Life(task_name=task_name, home=home, run=run, again=again)


def as_json(value: Any) -> Any:
    """As a client sends it: bytes as base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list | tuple) else value


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process is here."""
    with path.open("a+") as file:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
