"""Texts longer than is read are counted where rows of files are answered: a warning, once, and never in the answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import vector_task

from feilun.cli.main import main
from feilun.stages.deployment import verbs

ROWS = [{"text": "abc"}] * 1100 + [{"text": "a" * 300}, {"text": "b"}, {"text": "c" * 256}]  # two blocks
CUT = {"text": {"read": 256, "of": 301}}  # its mark too


@pytest.fixture(name="bundle")
def packed(environment: dict[str, str], tmp_path: Path) -> Path:
    return vector_task.house(tmp_path / "home") / "vec" / "1" / "deployment" / "bundle"


def test_a_file_is_answered_with_one_warning(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    words = "2 rows have longer texts than are read"
    assert main(["predict", str(bundle), "rows.jsonl"]) == 0
    said = capsys.readouterr()
    assert said.err.count(words) == 1 and len(said.out.splitlines()) == 1103 and words not in said.out
    assert main(["predict", str(bundle), "rows.jsonl", "-o", "out.jsonl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["warnings"][0].startswith(words) and told["result"]["cut_texts"] == 2
    assert main(["predict", str(bundle), "--row", '{"text": "abc"}', "--lang", "zh"]) == 0
    assert capsys.readouterr().err == ""
    counted: dict[str, int] = {}
    assert len(verbs.predict(bundle, ROWS, told=counted)) == 1103 and counted == {"cut_texts": 2}


def test_the_bundles_own_script_says_so_too(bundle: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, str(bundle / "predict.py"), "-"]
    rows = json.dumps(ROWS[-3:])
    said = subprocess.run(
        command, input=rows, capture_output=True, encoding="utf-8", env=environment, timeout=60, check=True
    )
    assert said.stderr == f"2 of 3 rows have texts that are longer than is read, such as rows[0]: {json.dumps(CUT)}\n"
    assert len(json.loads(said.stdout)) == 3
