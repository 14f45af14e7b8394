"""A name in a recipe is a file name: finds tasks, models, features, metrics, stage verbs. The only importlib here."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from feilun.core import sources
from feilun.core.errors import FeilunError, InputError

ROOMS = {
    "tasks": "feilun.tasks",
    "features": "feilun.parts.features",
    "models": "feilun.parts.models",
    "metrics": "feilun.parts.metrics",
}
_OWN: ContextVar[Any] = ContextVar("own", default=None)


def names(room: str) -> dict[str, str]:
    """Every name of a room with its module: files whose module defines an entry, and outside packages.

    Nothing is imported: a file belongs to the listing if it assigns the room's word (TASK, FEATURE, MODEL) at
    top level. `NAMES = ("gru", "lstm")` in a file makes it answer to those names instead of its own.
    """
    return dict(_names(room))


def aliases(room: str) -> dict[str, str]:
    """Other accepted spellings: `{alias: name}`, from `ALIASES = (...)` in the files."""
    return {alias: name for name, path in _files(room).items() for alias in _literal(path, "ALIASES")}


def summary(room: str, name: str) -> str:
    """The first line of the file's docstring, read without importing it."""
    spec = importlib.util.find_spec(module_name(room, name))
    if spec is None or not spec.origin:
        return ""
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def module_name(room: str, name: str) -> str:
    """The module behind a name. Raises InputError naming the nearest one."""
    known = _names(room)
    name = aliases(room).get(name, name)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"There is no {room.removesuffix('s')} called {name!r}.{hint} There are: {', '.join(sorted(known))}.",
            where=room,
            got=str(name),
            expected=", ".join(sorted(known)),
            fix=f"use {near[0]}" if near else "take a name from this list",
        )
    return known[name]


def find(room: str, name: str) -> ModuleType:
    """The module of a task, model, feature or metric."""
    return importlib.import_module(module_name(room, name))


def task(name: str) -> Any:
    """The Task record of `tasks/<name>.py`."""
    return find("tasks", name).TASK


def scores(task: str) -> tuple[str, ...]:
    """The scores that a task's file can give: those of the metrics files it imports. Empty if it brings its own."""
    used = sources.closure([module_name("tasks", task)])
    files = [name for name, module in names("metrics").items() if module in used]
    return tuple(score for name in files for score in find("metrics", name).SCORES)


def feature(kind: str, **json: Any) -> Any:
    """A Feature of this kind, rebuilt from its options or its `to_json()`."""
    return find("features", kind).FEATURE(**json)


def stage_verb(stage: str, verb: str) -> Callable[..., Any]:
    """A verb of a stage: a public function of `stages/<stage>/verbs.py`."""
    module = importlib.import_module(f"feilun.stages.{stage}.verbs")
    function = getattr(module, verb, None)
    if function is None or verb.startswith("_"):
        raise FeilunError(f"Stage {stage} has no verb {verb!r}.")
    return function  # type: ignore[no-any-return]


def stage_value(stage: str, word: str, default: Any = None) -> Any:
    """A constant of a stage's verbs module, such as USES."""
    return getattr(importlib.import_module(f"feilun.stages.{stage}.verbs"), word, default)


@contextmanager
def own_model(given: Any) -> Iterator[None]:
    """Inside, `model: own` is this: an nn.Module, or the Python module of a user's file (see `python_file`)."""
    token = _OWN.set(given)
    try:
        yield
    finally:
        _OWN.reset(token)


def own() -> Any:
    """The user's model. Raises InputError where there is none."""
    given = _OWN.get()
    if given is None:
        raise InputError(
            "This recipe's network was given from Python, and it is not here. From Python pass it again: "
            "feilun.improve(name, model=my_module), or feilun.run(..., model=my_module). A command line can only run a "
            "network that is kept in a file: train once with model: {file: my_model.py}.",
            where="model",
            expected="the network, from Python or in a file",
            got="neither",
            fix="feilun.improve(name, model=my_module), or model: {file: my_model.py}",
        )
    return given


def python_file(path: Path) -> ModuleType:
    """Run a user's Python file as a module of its own, which finds installed packages and no files beside it.

    Raises InputError where it cannot be run.
    """
    spec = importlib.util.spec_from_file_location(f"feilun_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file; expected a file such as my_model.py.", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and torch look classes up by their module's name
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        fix = f"put what it takes from {error.name} into this one file, or install {error.name} as a package"
        raise InputError(
            f"{path} cannot be run: there is no package {error.name}. A copy of this file is kept with every version "
            f"and run without the files beside it: {fix}.",
            where=str(path),
            expected="a file that needs installed packages only",
            got=f"import {error.name}",
            fix=fix,
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(f"{path} cannot be run: {type(error).__name__}: {error}.", where=str(path)) from error
    return module


@cache
def _names(room: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, path in _files(room).items():
        for listed in _literal(path, "NAMES") or (name,):
            found[listed] = f"{ROOMS[room]}.{name}"
    for point in entry_points(group=f"feilun.{room}"):
        if point.name in found:
            raise InputError(
                f"Two packages bring a {room.removesuffix('s')} called {point.name!r}: {found[point.name]} and "
                f"{point.value}. Uninstall one of them."
            )
        found[point.name] = point.value.partition(":")[0]
    return found


@cache
def _files(room: str) -> dict[str, Path]:
    """{module name: file} of a room; folders count when they have an __init__ with an entry."""
    word = {"tasks": "TASK", "features": "FEATURE", "models": "MODEL", "metrics": "SCORES"}[room]
    spec = importlib.util.find_spec(ROOMS[room])
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    candidates = [*folder.glob("*.py"), *folder.glob("*/__init__.py")]
    files = {(path.parent.name if path.name == "__init__.py" else path.stem): path for path in candidates}
    return {name: path for name, path in sorted(files.items()) if word in _assigned(path)}


@cache
def _assigned(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return frozenset(target.id for target in targets if isinstance(target, ast.Name))


@cache
def _literal(path: Path, word: str) -> tuple[str, ...]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == word for t in node.targets):
            return tuple(ast.literal_eval(node.value))
    return ()
