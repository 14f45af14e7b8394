"""A corpus of broken inputs: each ends in a right answer, or in what is wrong, where, and how to mend it.

None may end in a traceback, a hang, a file outside its folder or a silent wrong number. A case is a line in one of the
`cases_*.py` files beside this one.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from broken import Case, run

FILES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [case for name in FILES for case in importlib.import_module(name).CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_input_ends_well(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FEILUN_HOME", raising=False)
    monkeypatch.setenv("FEILUN_CACHE", str(tmp_path / "here" / "cache"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    run(case, tmp_path, capsys)


def test_names_differ() -> None:
    names: list[Any] = [case.name for case in CASES]
    assert len(set(names)) == len(names)
