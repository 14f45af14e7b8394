"""Every import contract of pyproject.toml holds, and turns red on a planted violation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# (contract, file to plant in, the line that breaks it)
PLANTED = [
    ("rooms are layers", "core/errors.py", "import feilun.parts.ops"),
    ("rooms are layers", "tasks/__init__.py", "import feilun.stages"),
    ("lifecycle meets stages, tasks and parts only by name", "lifecycle.py", "import feilun.stages.data.verbs"),
    ("stages are independent", "stages/training/__init__.py", "import feilun.stages.data"),
    ("tasks are independent", "tasks/planted_one.py", "import feilun.tasks.planted_two"),
    ("bricks are independent", "parts/engine/__init__.py", "import feilun.parts.store"),
    ("ops import nothing of ours", "parts/ops/__init__.py", "import feilun.core.errors"),
    ("core needs only the standard library, pydantic and yaml", "core/errors.py", "import numpy"),
    ("no cycles among siblings", "core/errors.py", "import feilun.core.work\nimport feilun.core.manifest"),
]


def _lint(folder: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """lint-imports over the package in folder/src."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    command += ["--config", "pyproject.toml", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "src" / "feilun", folder / "src" / "feilun", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def test_every_contract_is_planted_against() -> None:
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    assert {contract["name"] for contract in settings["contracts"]} == {contract for contract, _, _ in PLANTED}


def test_contracts_hold_and_see_every_planted_violation(copy: Path) -> None:
    """One run on the clean copy, one with everything planted: each contract flips from kept to broken."""
    clean = _lint(copy)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    (copy / "src/feilun/tasks/planted_two.py").write_text('"""Planted."""\n', encoding="utf-8")
    for _, file, line in PLANTED:
        path = copy / "src" / "feilun" / file
        before = path.read_text(encoding="utf-8") if path.exists() else '"""Planted."""\n'
        path.write_text(before + f"\n{line}\n", encoding="utf-8")
    planted = _lint(copy)
    assert planted.returncode == 1
    broken = planted.stdout[planted.stdout.index("Broken contracts") :]
    for contract, file, line in PLANTED:
        assert f"\n{contract}\n{'-' * len(contract)}\n" in broken
        if not contract.startswith("no cycles"):
            module = "feilun." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            assert module in broken, f"{contract} did not see `{line}` in {file}"
