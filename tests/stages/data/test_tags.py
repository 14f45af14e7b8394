"""A column of tags goes with a text through the data stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feilun import lifecycle
from feilun.core.recipe import Recipe
from feilun.parts.dataset import Table


def test_the_tag_stands_before_the_text(tmp_path: Path) -> None:
    lines = [f"dog {n},{into},{said} {n}" for n in range(20) for into, said in (("de", "Hund"), ("fr", "chien"))]
    (tmp_path / "rows.csv").write_text("\n".join(["en,lang,said", *lines]), encoding="utf-8")
    recipe = Recipe.model_validate(
        {
            "name": "tags",
            "task": "translation",
            "data": {"source": "rows.csv", "near": "ignore"},
            "inputs": {"en": {"kind": "text"}, "lang": {"kind": "category"}},
            "target": "said",
        }
    )
    whole = lifecycle.call("data", "resolve", recipe, base=tmp_path)
    run = tmp_path / "home" / "tags" / "1"
    run.mkdir(parents=True)
    context = lifecycle.Given(base=tmp_path, say=lifecycle.progress.Quiet())
    lifecycle.runs.record(run, whole, None, {})
    table = Table.open(lifecycle.make_stages(whole, ("data",), run, context)[0]["data"])
    source = table.features["source"]
    assert source.tags == ("de", "fr")
    first = np.array([table.arrays["source"][row][0] for row in range(len(table.rows))])
    assert [source.pieces[number] for number in first] == [f"[{tag}]" for tag in table.rows["lang"]]
