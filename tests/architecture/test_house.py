"""The house keeps its shape: public API, light imports, sizes, names, dependencies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

import feilun

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "feilun"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PYTHON = [
    *SOURCES,
    *(path for room in ("tests", "docs", "benchmarks", "examples") for path in (ROOT / room).rglob("*.py")),
]
MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_ARGUMENTS = 8
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base"}


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def too_long(path: Path) -> list[str]:
    """What in this file is over the limits of the house style."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    found = [f"{path}: {lines} lines"] if lines > MOST_LINES else []
    for function in _functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        arguments = function.args
        count = len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])
        count -= bool(arguments.args and arguments.args[0].arg in ("self", "cls"))
        if length > MOST_FUNCTION_LINES:
            found.append(f"{path}:{function.lineno} {function.name}: {length} lines")
        if count > MOST_ARGUMENTS:
            found.append(f"{path}:{function.lineno} {function.name}: {count} arguments")
    return found


def test_public_api() -> None:
    assert sorted(feilun.__all__) == ["Recipe", "__version__", "improve", "load", "run"]
    assert all(getattr(feilun, name) for name in feilun.__all__)


def test_importing_needs_no_heavy_package() -> None:
    code = "import sys, feilun; print([name for name in ('torch', 'numpy', 'pydantic', 'yaml') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_files_functions_and_arguments_stay_small() -> None:
    assert [fault for path in PYTHON for fault in too_long(path)] == []


def test_the_limits_see_what_they_should(tmp_path: Path) -> None:
    path = tmp_path / "long.py"
    path.write_text(
        "def many(a, b, c, d, e, f, g, h, i): ...\n\n\ndef long():\n" + "    x = 1\n" * 60 + "\n" * 400,
        encoding="utf-8",
    )
    assert [fault.split(": ", 1)[1] for fault in too_long(path)] == ["464 lines", "9 arguments", "61 lines"]


def test_every_file_says_first_what_it_is_for() -> None:
    silent = [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []


def test_no_names_that_say_nothing() -> None:
    assert [path for path in PYTHON if path.stem in NO_NAMES or path.parent.name in NO_NAMES] == []


def test_no_assert_outside_tests() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


FORBIDDEN = (
    r"^\s*(import|from) (pickle|dill|cloudpickle|marshal|shelve|joblib)\b",
    r"(?<![\w.])eval\(",
    r"(?<![\w.])exec\(",
    r"torch\.load\(",
    r"yaml\.load\(",
    r"/home/\w+|/Users/\w+|/root/|/[w]ork/|[A-Z]:\\\\Users",
)


def test_nothing_unsafe_and_no_path_of_one_machine() -> None:
    found = [
        f"{path}:{number} {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for pattern in FORBIDDEN
        if re.search(pattern, line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["import pickle", "x = eval(text)", "torch.load(path)", "'/home/me/x'", "yaml.load(text)"]
)
def test_the_forbidden_words_are_seen(line: str) -> None:
    assert any(re.search(pattern, line) for pattern in FORBIDDEN)


def test_importlib_is_used_in_one_place_only() -> None:
    users = [path for path in SOURCES if re.search(r"importlib(\.util|\.import_module|\b(?!\.metadata))", _code(path))]
    allowed = {"core/discover.py", "core/sources.py"}
    assert [path for path in users if path.relative_to(PACKAGE).as_posix() not in allowed] == []


def _code(path: Path) -> str:
    """The import lines of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if re.match(r"\s*(import|from) ", line))


def test_at_most_fifteen_dependencies_beside_torch_each_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    names = [re.split(r"[<>=\[ ]", line)[0] for line in wanted]
    assert len(set(names) - {"torch"}) <= 15
    reasons = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in reasons] == []
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    assert [name for name in names if not re.search(rf"^{name}==", pinned, re.M)] == []


def test_torchvision_is_not_installed() -> None:
    assert "torchvision" not in {distribution.metadata["Name"] for distribution in distributions()}
