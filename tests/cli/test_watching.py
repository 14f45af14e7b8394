"""`--profile`, and where the curves lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from feilun.cli.main import main

RECIPE = """\
data: {source: builtin:regression}
task: regression
train: {epochs: 4}
evaluate: {bootstrap: 100}
"""


def test_profile_is_told_kept_and_no_part_of_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEILUN_HOME", raising=False)
    Path("my.yaml").write_text(RECIPE)

    def told(*words: str) -> Any:
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)["result"]

    first = told("run", "my.yaml", "--profile")
    assert first["profile"]["words"][0].startswith("Of the training's time ")
    folder = Path(first["curves"])
    assert (folder / "trace.json.gz").is_file()
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert {"trace.json.gz", "curves.json"} <= listed.keys()
    assert "training" in told("run", "my.yaml")["skipped"]  # the same key without it
    assert main(["run", "my.yaml", "--profile"]) == 0
    assert "nothing was profiled" in capsys.readouterr().out
    assert main(["show", "my"]) == 0
    said = capsys.readouterr().out
    assert first["profile"]["words"][0] in said
    assert f"tensorboard --logdir {Path('runs') / 'my'}\n" in said
