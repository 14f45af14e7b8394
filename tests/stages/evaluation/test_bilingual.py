"""Two languages from the same facts; data stays as it is."""

from __future__ import annotations

import string
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from feilun.core import discover
from feilun.core.recipe import Recipe
from feilun.core.task import Score
from feilun.stages.evaluation import bilingual, judging
from feilun.stages.evaluation.bilingual import Phrase, known, only, tell, term


def holes(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_fill_the_same_holes() -> None:
    for english, chinese in bilingual.sentences().items():
        assert holes(chinese) <= holes(english), english
        assert holes(english) - holes(chinese) in (set(), {"words_a_row"}), english


def test_data_is_escaped_and_never_translated() -> None:
    phrase = tell("Predicts {target} from {source}.", target="accuracy<b>", source="data")
    assert phrase.zh == "根据 data 预测 accuracy&lt;b&gt;。"
    assert "<b>" not in phrase.__html__()


@pytest.mark.parametrize("shift", [200, -200, 1])
@pytest.mark.parametrize("better", ["higher", "lower"])
def test_every_verdict_comes_in_chinese(shift: int, better: str) -> None:
    truths = list(range(400))

    def scores(answers: Any, truths: Any, recipe: Any) -> dict[str, Score]:
        right = np.array([a == t for a, t in zip(answers, truths, strict=True)], np.float64)
        return {"accuracy": Score(rows=right, unit="%", better=better)}

    task: Any = SimpleNamespace(scores=scores)
    ours = [-1] * max(0, -shift) + truths[max(0, -shift) :]
    theirs = [-1] * max(0, shift) + truths[max(0, shift) :]
    recipe = Recipe.model_validate({"evaluate": {"bootstrap": 100}})
    found = judging.judge(task, recipe, truths, ours, {"logistic_regression": theirs})
    words = known(found["verdict"]["words"])
    assert words.zh != words.en and "逻辑回归" in words.zh
    assert not [word for word in ("better", "points", "interval", "accuracy") if word in words.zh]


def test_every_score_and_kind_has_a_chinese_name() -> None:
    names = {score for kind in discover.names("metrics") for score in discover.find("metrics", kind).SCORES}
    names |= {"number", "category", "text", "image", "time", "sequence", "boxes", "labels"}
    missing = [name for name in sorted(names) if name.replace("_", " ").lower() not in bilingual.terms()]
    assert missing == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("accuracy", "准确率"),
        ("no clear difference", "没有明显差别"),
        ("-4.1 points [-6.6, -1.9]", "-4.1 个百分点 [-6.6, -1.9]"),
        ("7 rows without a target were left out.", "7 行没有目标值,已略去。"),
        ("missing in 3 % and 4 %", "缺失比例分别为 3 % 和 4 %"),
        ("middle 3 in training rows, 5 in test rows; missing in 3 % and 4 %", None),
        ("somebody's own words; with <signs>", "somebody&#39;s own words; with &lt;signs&gt;"),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_sentences_of_other_rooms_are_known_by_their_form(english: str, chinese: str | None) -> None:
    found = known(english)
    if chinese is not None:
        assert found.zh == chinese
    else:
        assert found.zh == "训练数据的中位数为 3,测试数据为 5;缺失比例分别为 3 % 和 4 %"
    assert found.en.unescape() == english


def test_one_language_alone() -> None:
    words = tell("loss").drawn('x="1"')
    both = f"<p>{tell('Examples').__html__()}</p><svg>{words}</svg>"
    assert only(both, "en") == '<p>Examples</p><svg><text x="1">loss</text></svg>'
    assert only(both, "zh") == '<p>例子</p><svg><text x="1">损失</text></svg>'
    assert Phrase(term("mlp").en, term("mlp").zh).__html__() == "mlp", "what is the same is written once"
