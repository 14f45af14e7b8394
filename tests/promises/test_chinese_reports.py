"""The report and the card of every task in Chinese: no sentence of ours is left in English."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from promise_life import Life

from feilun.core import manifest
from feilun.stages.evaluation import bilingual, card, network, report

HIDDEN = re.compile(r"<(style|title|code|pre|svg class=\"bars\")[\s>].*?</(style|title|code|pre|svg)>", re.DOTALL)
KEY = re.compile(r"\b\w+(?:\.\w+)+\b(?:: \w+)?")  # a recipe key with or without a value, a file's or a layer's name
CUT = re.compile(r"\w+…")  # a word of the data, cut
NAMES = """
English Feilun PyTorch Python Linux AUC BLEU chrF mAP nDCG Brier MMD Matthews Popović Papineni log SHA CPU torch fp32
int8 dropout builtin
"""


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-zÀ-ɏ]{3,}", text))


def strings(value: Any) -> list[str]:
    """Every text in a JSON value; keys are ours."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) and len(value) < 2000 else []


def data_of(life: Life) -> set[str]:
    """Words of the rows and of the recipe's names: data, which nobody translates."""
    shown = [row for rows in life.file("evaluation", "examples.json").values() for row in rows]
    made = [life.rows("train", 2000), life.rows("test"), [[row["answer"], row["truth"]] for row in shown]]
    recipe = life.run.recipe
    names = [
        str(recipe.name),
        str(recipe.model.name),
        *recipe.inputs,
        *(recipe.target.columns if recipe.target else ()),
    ]
    layers = network.shapes(life.run.stages["training"] / "weights.safetensors")
    made_by = manifest.read(life.run.stages["training"])
    libraries = {**made_by.versions, **made_by.machine} if made_by else {}
    text = " ".join([*strings(made), *libraries, *strings(libraries), *names, *layers, NAMES])
    return words(re.sub(r"_", " ", text)) | words(text)


def left(text: str, data: set[str]) -> list[str]:
    return sorted(words(CUT.sub("", KEY.sub("", text))) - data)


def pieces(page: str) -> list[str]:
    """What is seen in Chinese, without code."""
    body = HIDDEN.sub("", bilingual.only(page.partition("<body>")[2], "zh"))
    return [unescape(text).strip() for text in re.split(r"<[^>]*>", body) if text.strip()]


def test_the_report_in_chinese_shows_no_english_sentence(life: Life) -> None:
    stages = dict(life.run.stages)
    page = report.html(life.run.folder, stages, report._made(stages), life.run.recipe, "zh")
    data = data_of(life)
    said = [text for text in pieces(page) if not re.fullmatch(r"[0-9a-f]{64}", text)]
    assert {text: english for text in said if (english := left(text, data))} == {}


def test_the_card_in_chinese_shows_no_english_sentence(life: Life) -> None:
    stages = dict(life.run.stages)
    scores = manifest.read_json(stages["evaluation"] / "scores.json")
    text = card.text(life.run.recipe, stages, scores, {"version": 1, "parent": "", "lap": ""}, lang="zh")
    body = text.split("---\n", 2)[2]
    data = data_of(life)
    lines = [line for line in body.splitlines() if not re.search(r"[0-9a-f]{64}|软件版本|来源", line)]
    assert {line: english for line in lines if (english := left(line, data))} == {}
    assert "## 用途" in body and "未说明" in body
