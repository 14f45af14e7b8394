"""Whatever a column, a class or a recipe is called, the card shows it and stays a card."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from report_fixture import make_run

from feilun.core import yaml12
from feilun.core.recipe import Recipe
from feilun.stages.evaluation import card, groups
from feilun.stages.evaluation.markdown import escaped

NAMES = (
    "|a|*b*",
    "<script>alert(1)</script>",
    "_x_",
    "snake_case_name",
    "[link](http://a.b)",
    "![i](x)",
    "`code`",
    "~~gone~~",
    "a\n\n# b",
    "- list",
    "+ list",
    "1. one",
    "2) two",
    "=====",
    "&lt;b&gt; & <",
    "\\",
    "\\|",
    "$x$",
    "https://evil.example/a",
    "www.evil.example",
    "**very** __loud__",
    "<!-- -->",
    "名字|二",
    ":---:",
)
READ = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is_in_a_paragraph_a_list_and_a_cell(name: str) -> None:
    plain = html.escape(" ".join(name.split()))
    said = escaped(name)
    assert READ.render(said) == f"<p>{plain}</p>\n"
    assert READ.render(f"- {said}: 3") == f"<ul>\n<li>{plain}: 3</li>\n</ul>\n"
    cells = re.findall(r"<td>(.*?)</td>", READ.render(f"| name | n |\n|---|---|\n| {said} | 3 |"))
    assert cells == [plain, "3"]
    assert not re.search(r"(?i)(https?:|www\.)", said), "no address becomes a link by itself"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_name_in_the_card_is_escaped(tmp_path: Path, lang: str) -> None:
    _, stages, recipe = make_run(tmp_path)
    evil = "|a|*b*<i>x</i>"
    plain = recipe.model_dump(mode="json")
    named = {**plain, "name": "_b_", "inputs": {evil: "number"}, "target": f"y{evil}", "model": {"name": evil}}
    whole = Recipe.model_validate({**named, "data": {"source": evil}})
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "unit": "%", "better": "higher"}
    gap = {"difference": 0.1, "low": 0.0, "high": 0.2, "words": "clearly better", "unit": "%", "better": "higher"}
    scores: dict[str, Any] = {
        "main": "accuracy",
        "n": 60,
        "scores": {"accuracy": score, evil: {**score, "of": "business"}},
        "baselines": {evil: {"accuracy": score}},
        "against": {evil: gap},
        "verdict": {"words": f"It beats {evil}."},
        "groups": [{"column": evil, "value": evil, "n": 40, "score": score, "gap": gap}],
        "silent_groups": [{"column": evil, "words": groups.ALL_ONE}],
    }
    later = {"learning": {"more": {"words": evil}}}
    lineage = {"version": 2, "parent": f"{evil}@1", "lap": "1"}
    found = card.text(whole, stages, scores, lineage, later, lang)
    header, body = found.removeprefix("---\n").split("\n---\n", 1)
    assert yaml12.load(header, "card").value["model-index"][0]["name"] == "_b_"
    drawn = READ.render(body)
    assert "<i>" not in drawn and "<em>" not in drawn and "<script" not in drawn
    assert drawn.count(html.escape(evil)) >= 10
    silent = "取值相同，无从比较" if lang == "zh" else groups.ALL_ONE
    assert re.search(rf"<p>{re.escape(html.escape(evil))}(: |：).*{silent}", drawn)
    for row in re.findall(r"<tr>(.*?)</tr>", drawn, re.DOTALL):
        assert len(re.findall(r"<t[hd]", row)) in (3, 4)
    scores["groups"], scores["classes"] = [], [{"label": evil, "n": 40, "recall": score}]
    named = "类别" if lang == "zh" else "class"
    drawn = READ.render(card.text(whole, stages, scores, lineage, lang=lang).split("\n---\n", 1)[1])
    assert f"{named} {html.escape(evil)}" in drawn
