"""Reference pages come from the code: complete, written on demand, and a stale one is noticed."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from feilun.cli.table import VERBS
from feilun.core import discover, hints

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Any]:
    """The generator, writing into an empty folder."""
    names = runpy.run_path(str(ROOT / "docs" / "generate.py"), run_name="generate")
    names["main"].__globals__["DOCS"] = tmp_path
    return names


def test_missing_and_stale_pages_are_noticed(
    pages: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pages["main"].__globals__, "PAGES", {"reference/verbs.md": pages["verbs"]})
    assert pages["main"](["--check"]) == 1
    assert not list(tmp_path.iterdir())
    assert pages["main"]([]) == 0
    assert pages["main"](["--check"]) == 0
    with (tmp_path / "reference" / "verbs.md").open("a", encoding="utf-8") as file:
        file.write("edited by hand\n")
    assert pages["main"](["--check"]) == 1
    assert "docs/reference/verbs.md" in capsys.readouterr().err


def test_pages_hold_everything(pages: dict[str, Any]) -> None:
    verbs, keys, tasks = pages["verbs"](), pages["recipe_keys"](), pages["tasks"]()
    assert all(f"### {verb.name}\n" in verbs for verb in VERBS)
    assert all(f"`{path}`" in keys for path in hints.all_keys())
    assert all(f"## {name}\n" in tasks for name in discover.names("tasks"))


def test_the_schema_takes_the_short_forms(pages: dict[str, Any]) -> None:
    schema = json.loads(pages["schema"]())
    assert {"type": "string"} in schema["properties"]["model"]["anyOf"]
    assert {"type": "string"} in schema["properties"]["target"]["anyOf"]
    assert schema["additionalProperties"] is False


def test_a_reason_is_a_note_below_the_promise_table(pages: dict[str, Any], tmp_path: Path) -> None:
    assert "has not written its table yet" in pages["promises"]()
    table = {"one": {"train": "yes", "prune": "nothing to prune"}, "two": {"train": "yes", "prune": "nothing to prune"}}
    (tmp_path / "promises.json").write_text(json.dumps(table), encoding="utf-8")
    page = pages["promises"]()
    assert "| train | **yes** | **yes** |" in page
    assert "| prune | no [1] | no [1] |" in page
    assert "| privacy | planned | planned |" in page
    assert "1. nothing to prune\n" in page
    assert "2 of 34 cells" in page
