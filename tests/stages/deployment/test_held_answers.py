"""Answers of a bundle that are held to a schema: from Python, from the command line, and where there is no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import talking_bundle

from feilun.cli.main import main
from feilun.core.errors import InputError
from feilun.parts.bundle import loading
from feilun.stages.deployment import smoke

SCHEMA = {
    "type": "object",
    "properties": {"animal": {"enum": ["cat", "猫"]}, "legs": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["animal", "legs"],
}


@pytest.fixture(scope="module", name="bundle")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_bundle.pack(tmp_path_factory.mktemp("talks"), "text")


def fits(answer: dict[str, Any]) -> bool:
    value = json.loads(answer["text"])
    known = (
        value["animal"] in ("cat", "猫") and isinstance(value["legs"], int) and set(value) <= {"animal", "legs", "note"}
    )
    return known and isinstance(value.get("note", ""), str) and answer["finish"] == "stop"


@pytest.mark.parametrize("options", [{}, {"temperature": 1.0}, {"temperature": 10.0, "max_length": 60}], ids=str)
def test_every_answer_fits_and_neighbours_change_nothing(bundle: Path, options: dict[str, Any]) -> None:
    loaded = loading.load(bundle, threads=1)
    rows = [{"text": text} for text in ("the cat", "", "猫 " * 100, "a dog ran")]
    together = loaded.predict(rows, schema=SCHEMA, **options)
    assert all(map(fits, together))
    alone = [loaded.predict([row], schema=SCHEMA, **options)[0]["text"] for row in rows]
    assert [one["text"] for one in together] == alone


def test_an_answer_that_cannot_be_whole_in_time_says_length(bundle: Path) -> None:
    said = loading.load(bundle, threads=1).predict([{"text": "a"}], schema=SCHEMA, max_length=5)[0]
    assert said["finish"] == "length" and said["tokens"] == 5 and said["text"].startswith("{")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"schema": {"minimum": 1}}, "schema.minimum is 1"),
        ({"schema": SCHEMA, "stop": ["}"]}, "nothing beside schema"),
        ({"schema": "object"}, "Option schema is text; expected an object"),
    ],
    ids=str,
)
def test_what_it_cannot_be_held_to_is_told(bundle: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loading.load(bundle, threads=1).predict([{"text": "a"}], **options)


def test_a_bundle_holds_to_a_schema_without_torch(bundle: Path) -> None:
    outside = smoke.outside_answers(bundle, [{"text": "the cat"}], schema=SCHEMA, max_length=50)
    assert outside == loading.load(bundle, threads=1).predict([{"text": "the cat"}], schema=SCHEMA, max_length=50)
    assert fits(outside[0])


def test_a_schema_may_lie_in_a_file(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    asked = ["predict", str(bundle), "--row", '{"text": "a"}', "--option"]
    said = []
    for option in (f"schema=@{tmp_path / 'schema.json'}", f"schema={json.dumps(SCHEMA)}"):
        assert main([*asked, option]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and fits(json.loads(said[0]))
    assert main([*asked, f"schema=@{tmp_path / 'none.json'}"]) == 2
    assert "none.json" in capsys.readouterr().err
