"""Two languages from the same facts; data stays as it is."""

from __future__ import annotations

import re
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
        ("7 rows without a target were left out.", "7 行没有目标值，已略去。"),
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
        assert found.zh == "训练数据的中位数为 3，测试数据为 5；缺失比例分别为 3 % 和 4 %"
    assert found.en.unescape() == english


def test_chinese_has_chinese_punctuation() -> None:
    """Half-width signs beside Chinese letters look like a slip; a recipe line such as `a.b: none` keeps its own."""
    for english, chinese in bilingual.sentences().items():
        plain = re.sub(r"\{[^}]*\}", "", chinese)
        assert not re.findall(r"[一-鿿][,:;?!()]|[,;?!()][一-鿿]", plain), (english, chinese)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "mAP at 50 69.4 % on training rows, 62.9 % on test rows: about as good on new rows.",
            "mAP(50 %)：训练数据上 69.4 %",
        ),
        (
            "RMSE suffers most when one of these columns is shuffled: a (1.9 points). Not missed: b, c and 23 more.",
            "23 列",
        ),
        (
            "Accuracy suffers most when one of these columns is shuffled: a (1.9 points).",
            "准确率变差最多：a (1.9 个百分点)",
        ),
    ],
)
def test_sentences_with_names_inside_are_cut_in_the_right_place(english: str, chinese: str) -> None:
    assert chinese in known(english).zh
    assert not re.search("[a-z]{4}", known(english).zh)


@pytest.mark.parametrize(
    "english",
    [
        "Given test rows differ from the training rows in a1, b2.",
        "12 rows equal another row and say something else.",
        "x.csv is not UTF-8: read as GB18030 (Chinese). If letters look wrong, save it as UTF-8, or set data.encoding.",
        "no names in the first line by its looks, which is '1, 2': columns are called column_1 to column_2. Name them "
        "in data.columns, or set data.header: true.",
        "p1: 3,14 is read as 3.14 (data.decimal: ',').",
        "p1: 1,234 is read as 1.234, and may be 1234: that is what data.decimal: '.' makes of it.",
        "p1: numbers written with a1, which was taken off; ask with or without.",
        "p1: a1.csv is read day first, since 13/02 stands there; b2.csv is read month first. Write dates as 2024-01-31 "
        "to be sure.",
        "13/02 stands there; b2.csv is read month first",
        "1,234 a1 may be 1.234 or 1234, and nothing in the column tells",
        "auto chose anew each time, on that time's own validation rows: a1 ×3, b2 ×2.",
        "always later than b2: is it known in time?",
        "1,204 different values, 2 rows each: new ones will come that the network does not know",
        "dates from 2020-01-01 to 2024-01-31, in UTC; the rows stand in its order, so only its month, weekday, day and "
        "hour are seen",
    ],
)
def test_what_the_data_stage_says_is_known(english: str) -> None:
    own = r"auto|a1|b2|p1|UTC|UTF|csv|data\.\w+|header|true|column_\d|to column|GB18030|Chinese"
    assert not re.search("[a-z]{3}", re.sub(own, "", known(english).zh)), known(english).zh


def test_no_space_stands_between_two_chinese_words() -> None:
    assert tell("Predicts {target} from {source}.", target="y", source=tell("{count} columns", count=3)).zh == (
        "根据 3 列预测 y。"
    )


def test_one_language_alone() -> None:
    words = tell("loss").drawn('x="1"')
    both = f"<p>{tell('Examples').__html__()}</p><svg>{words}</svg>"
    assert only(both, "en") == '<p>Examples</p><svg><text x="1">loss</text></svg>'
    assert only(both, "zh") == '<p>例子</p><svg><text x="1">损失</text></svg>'
    assert Phrase(term("mlp").en, term("mlp").zh).__html__() == "mlp", "what is the same is written once"
