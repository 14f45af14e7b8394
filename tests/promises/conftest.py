"""The promise table's engine: one life cycle per task, one test per cell, and a table that must say what was found.

`FEILUN_WRITE_PROMISES=1` writes docs/promises.json instead of comparing with it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import promise_table
import pytest
from promise_life import Life, live

from feilun.core import discover

FOUND = pytest.StashKey[dict[str, dict[str, str]]]()
REPORT = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark, and where this process keeps what it found."""
    config.addinivalue_line("markers", "promise(capability): a cell of the promise table")
    config.stash[FOUND] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every promise for every task that there is."""
    if "life" in metafunc.fixturenames:
        metafunc.parametrize("life", sorted(discover.names("tasks")), indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker per task where pytest-xdist groups by mark; else the life cycle is shared through a folder."""
    for item in items:
        task = getattr(item, "callspec", None) and item.callspec.params.get("life")
        if task:
            item.add_marker(pytest.mark.xdist_group(f"promises {task}"))


@pytest.fixture(scope="session")
def promise_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "promises"
    folder.mkdir(exist_ok=True)
    yield folder


@pytest.fixture(scope="session")
def life(request: pytest.FixtureRequest, promise_folder: Path) -> Life:
    """The finished life cycle of a task's example."""
    return live(request.param, promise_folder)


@pytest.fixture(autouse=True)
def cell(request: pytest.FixtureRequest) -> Iterator[None]:
    """Before: a declared reason skips the test. After: what was found is noted, and must be what the table says."""
    mark = request.node.get_closest_marker("promise")
    if mark is None:
        yield
        return
    task, capability = request.node.callspec.params["life"], mark.args[0]
    reason = promise_table.reason(task, capability)
    if reason:
        _note(request.config, task, capability, reason)
        pytest.skip(f"{task} cannot {capability}: {reason}")
    yield
    passed = request.node.stash.get(REPORT, False)
    if passed or promise_table.is_writing():  # a failed test needs no second complaint, but loses its yes
        _note(request.config, task, capability, "yes" if passed else "planned")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets the fixture above know whether the test passed."""
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report.passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """When asked to: put what this process found into the table; others may do so at the same time."""
    found = session.config.stash[FOUND]
    if promise_table.is_writing() and found:
        with tempfile.TemporaryDirectory() as folder:  # the table is replaced whole, so no reader sees half of it
            path = Path(folder) / "promises.json"
            with promise_table.alone():
                path.write_text(json.dumps(promise_table.merged(found), indent=1, ensure_ascii=False) + "\n", "utf-8")
                shutil.move(path, promise_table.PATH)


def _note(config: pytest.Config, task: str, capability: str, found: str) -> None:
    config.stash[FOUND].setdefault(task, {})[capability] = found
    said = promise_table.read().get(task, {}).get(capability)
    if not promise_table.is_writing() and said != found:
        pytest.fail(
            f"docs/promises.json says {said!r} for {task} / {capability}; this run found {found!r}. "
            "Write it with FEILUN_WRITE_PROMISES=1 pytest tests/promises, then python docs/generate.py."
        )
