"""CoNLL files: every spelling of tags gives the same spans; what is no tag is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from feilun.core import discover, reading
from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.stages.data.reading import conll_file, raw

WORDS = ("Anna", "Lee", "saw", "Rome", "Oslo", ".")
SPELLINGS = {
    "bio": ("B-p", "I-p", "O", "B-c", "B-c", "O"),
    "iob": ("I-p", "I-p", "O", "I-c", "B-c", "O"),
    "bioes": ("B-p", "E-p", "O", "S-c", "S-c", "O"),
    "bilou": ("B-p", "L-p", "O", "U-c", "U-c", "O"),
}


def written(folder: Path, tags: tuple[str, ...], mark: str = "\t") -> Path:
    lines = [f"{word}{mark}{tag}" for word, tag in zip(WORDS, tags, strict=True)]
    path = folder / "rows.conll"
    path.write_text("# a remark\n" + "\n".join(lines) + "\n\n\n我\tB-p\n们\tI-p\n走\tO\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("mark", ["\t", " X Y "])
def test_every_spelling_gives_the_same_spans(tmp_path: Path, spelling: str, mark: str) -> None:
    found = conll_file.read(written(tmp_path, SPELLINGS[spelling], mark), Data(), raw.Most())
    assert found.table.column("text").to_pylist() == ["Anna Lee saw Rome Oslo .", "我们走"]
    first, second = map(json.loads, found.table.column("spans").to_pylist())
    assert [(one["start"], one["end"], one["label"]) for one in first] == [(0, 8, "p"), (13, 17, "c"), (18, 22, "c")]
    assert second == [{"start": 0, "end": 2, "label": "p"}]


def test_a_first_token_that_looks_like_a_remark_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.conll"
    path.write_text("# the remark of a text\n# O\nfun B-p\n\n# B-p\nhash O\n", encoding="utf-8")
    found = conll_file.read(path, Data(), raw.Most())
    assert found.table.column("text").to_pylist() == ["# fun", "# hash"]


def test_task_and_columns_are_found_out(tmp_path: Path) -> None:
    written(tmp_path, SPELLINGS["bio"])
    asked = reading.make_recipe({"name": "x", "data": {"source": "rows.conll"}})
    found = discover.stage_verb("data", "resolve")(asked, base=tmp_path)
    assert found.task == "token_classification" and found.target.columns == ("spans",)
    assert {name: one.kind for name, one in found.inputs.items()} == {"text": "text"}


@pytest.mark.parametrize("wrong", ["Rome", "Rome\tcity", "Rome\tB-", "Rome\t-city"])
def test_a_line_without_a_tag_is_told(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "rows.conll").write_text(f"Anna\tO\n{wrong}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        conll_file.read(tmp_path / "rows.conll", Data(), raw.Most())
