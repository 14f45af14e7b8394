"""The report holds what the run's files say, in both languages, small, self-contained and harmless."""

from __future__ import annotations

import ast
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_fixture import EVIL, make_run, png

from feilun.core.manifest import read_json, write_json
from feilun.stages.evaluation import bilingual, costs, first, gallery, looked
from feilun.stages.evaluation import verbs as evaluation
from feilun.stages.evaluation.report import MOST_BYTES, report

STUDIES = ("auto.json", "folds.json", "learning.json", "label-noise.json")
SECTIONS = ("verdict", "examples", "mistakes", "certainty", "groups", "why", "data", "cost", "reproduce")


class Words(HTMLParser):
    """The text that is seen in one language, without code, style and SVG titles."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self.hidden = "zh" if language == "en" else "en"
        self.stack: list[bool] = []
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("meta", "input", "img", "br", "link"):
            return
        given = dict(attributes)
        hides = given.get("class") == self.hidden or given.get("data-l") == self.hidden or tag in ("style", "title")
        self.stack.append(hides)

    def handle_endtag(self, tag: str) -> None:
        if self.stack:
            self.stack.pop()

    def handle_data(self, data: str) -> None:
        if not any(self.stack) and data.strip():
            self.found.append(data.strip())


def seen(page: str, language: str) -> Words:
    words = Words(language)
    words.feed(page)
    return words


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run, stages, recipe = make_run(tmp_path_factory.mktemp("run"))
    return report(run, stages, recipe, "en").read_text("utf-8")


def test_every_section_says_what_its_files_say(page: str) -> None:
    for section in SECTIONS:
        assert f'id="{section}"' in page, section
    text = " ".join(seen(page, "en").found)
    for words in (
        "Use it",
        "Whether 90.0 % is enough is for you to say.",
        "as served (int8)",
        "what is served is its int8 variant, the open disc",
        "Intervals are drawn over the groups of patient",
        "+0.420 [+0.300, +0.500] a row",
        "this model is clearly better",
        "Class by class",
        'mean(actual == "bad")',
        "Ask a person where it is less sure than",
        "2 of 2 groups are clearly worse",
        "Labels shuffled",
        "What each written token looked at",
        "Longer texts are cut: the first 32 tokens that were read and 40 that were written are shown.",
        "How much worse accuracy gets when a column is shuffled",
        "is it known in time?",
        "data.near: ignore",
        "inputs: {n0: category}",
        "middle 3 in training rows, 5 in test rows",
        "Training took 85 % of 70.5 s.",
        "The best epoch was 3 of 5",
        "48 % went into data",
        "Costliest operators: resampling of pictures (40 %)",
        "500 more labels would move accuracy by about +2.0 points",
        "Models tried",
        "1 of 120 labels look wrong to models that never saw their rows; about 4.0 % of all are.",
        "Trained 5 times",
        "convolution 3 × 3, 1 → 16",
        "waits for feedback",
        "spoke for the answer",
    ):
        assert words in text, words


def test_nothing_from_outside_runs_or_loads(page: str) -> None:
    tags = seen(page, "en").tags
    assert "script" not in tags and "link" not in tags and "iframe" not in tags
    assert "&lt;script&gt;" in page and EVIL not in page
    assert not re.search(r"(?:src|href)=\"(?!#|data:image/)", page) and "url(http" not in page
    assert "default-src 'none'" in page


def test_chinese_shows_no_english_sentence(page: str) -> None:
    """What is left in Latin letters is data, recipe lines, names of variants and units."""
    allowed = re.compile(
        r"\b(class \d|alert|script|churn|n\d|a note|note|comment|gender|photo|label|very|and|mlp|tabm|gru|int8|fp32"
        r"|torch|PyTorch|AUC|F1|MB|kB|ms|CPU|default_rate|encoders|layers|head|depth|patient|g\d|train|epochs|patience"
        r"|optimize|tolerance|English|Labels shuffled|the score falls to chance, as it should|of the words are the same"
        r"|noise\.csv|out of)\b"
    )
    for text in seen(page.partition('id="reproduce"')[0], "zh").found:
        if re.match(r"(data\.|inputs:|evaluate:|mean\()", text):
            continue  # a line of the recipe
        left = re.findall(r"[A-Za-z]{3,}", allowed.sub("", text))
        assert not left, (left, text)


def test_every_phrase_of_ours_has_its_chinese() -> None:
    folder = Path(bilingual.__file__).parent
    used = {*first.LEVELS.values(), *first.BETTER.values(), *costs.ADVICE.values(), *gallery.TITLES.values()}
    used |= set(looked.TITLES.values())
    used |= gallery.AXES - set(bilingual.terms())
    for path in folder.glob("*.jinja.html"):
        for quote in "\"'":
            used |= set(re.findall(rf"\bt\({quote}([^{quote}]+){quote}", path.read_text("utf-8")))
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called == "tell" and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Constant):
                used.add(node.args[0].value)
    assert len(used) > 120
    assert sorted(used - set(bilingual.sentences())) == []


def test_the_templates_hold_no_bare_words() -> None:
    for path in Path(bilingual.__file__).parent.glob("*.jinja.html"):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.DOTALL)
        text = re.sub(r"<[^>]*>", " ", text)
        assert re.findall(r"[A-Za-z]{2,}", text) == [], path.name


def test_the_language_is_a_switch_without_javascript(page: str) -> None:
    assert 'id="lang-en" class="switch" checked' in page and 'id="lang-zh" class="switch">' in page
    assert "可以使用" in page and "<b>churn@1</b>" in page


def test_chinese_can_come_first(tmp_path: Path) -> None:
    page = report(*make_run(tmp_path), "zh").read_text("utf-8")
    assert '<html lang="zh-CN">' in page and "<title>churn@1: 可以使用</title>" in page
    assert 'id="lang-zh" class="switch" checked' in page


@pytest.mark.parametrize(
    "much",
    [
        {"labels": 200, "groups": 500, "text": "long " * 50_000},
        {"columns": 500, "epochs": 50_000},
        {"picture": png(400, noise=True)},
    ],
    ids=["labels and texts", "columns", "pictures"],
)
def test_whatever_the_data_the_page_stays_under_its_limit(tmp_path: Path, much: dict[str, object]) -> None:
    run, stages, recipe = make_run(tmp_path, **much)  # type: ignore[arg-type]
    path = report(run, stages, recipe)
    assert path.stat().st_size < MOST_BYTES
    if "columns" in much:
        assert path.stat().st_size < MOST_BYTES / 5 and "and 352 more, in the files" in path.read_text("utf-8")
    if "picture" in much:
        assert "pictures were left out" in path.read_text("utf-8")


def test_older_runs_without_the_new_files_leave_gaps_and_say_what_to_add(tmp_path: Path) -> None:
    run, stages, recipe = make_run(tmp_path)
    for name in STUDIES:
        (run / name).unlink()
    for name in ("why.json", "answers.jsonl", "pictures.json", "attention.json"):
        (stages["evaluation"] / name).unlink()
    scores = read_json(stages["evaluation"] / "scores.json")
    for name in ("classes", "groups", "money", "resampled"):
        del scores[name]
    write_json(stages["evaluation"] / "scores.json", scores)
    examples = read_json(stages["evaluation"] / "examples.json")
    for row in (*examples["wrong"], *examples["right"]):
        del row["why"]
    write_json(stages["evaluation"] / "examples.json", examples)
    page = report(run, stages, recipe).read_text("utf-8")
    assert "evaluate: {groups: [gender]}" in page
    assert "evaluate: {costs: {false_positive: 1, false_negative: 5}}" in page
    assert "Labels that look wrong" not in page
    assert "Models tried" not in page and "Cross-validation" not in page


@pytest.mark.parametrize("gone", ["data", "training", "evaluation", "optimization", "deployment"])
def test_a_stage_that_is_missing_leaves_a_gap(tmp_path: Path, gone: str) -> None:
    run, stages, recipe = make_run(tmp_path)
    shutil.rmtree(stages.pop(gone))
    page = report(run, stages, recipe).read_text("utf-8")
    assert "not made" in page and 'id="cost"' in page


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run, stages, recipe = make_run(tmp_path)
    assert report(run, stages, recipe, "en").read_bytes() == report(run, stages, recipe, "en").read_bytes()


def test_the_card_beside_it_is_one_page_with_the_weakest_slices(tmp_path: Path) -> None:
    run, stages, recipe = make_run(tmp_path)
    report(run, stages, recipe)
    card = (run / "card.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: feilun")
    for words in (
        "## Three weakest slices\n\n- gender = g0",
        "clearly worse",
        "Cross-validation over 5 folds",
        "More rows: 500 more labels",
        "Served is the int8 variant",
        "Collected when and by whom: not stated",
        "## Owner\n\nnot stated",
        "n0",
    ):
        assert words in card, words
    assert "secret" not in card and len(card.splitlines()) < 90


def test_a_notebook_gets_dots_and_rows_in_one_language(tmp_path: Path) -> None:
    run, stages, recipe = make_run(tmp_path)
    html = evaluation.inline(run, stages, recipe)
    assert 'class="dots ours"' in html and "data:image/png" in html and "Use it" in html
    assert "可以使用" not in html and "data-l=" not in html and "<script" not in html
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media[^{]*\{(.*)\}", r"\1", style[1]))
    for rule in rules:
        for selector in rule.strip().removeprefix("}").strip().split(","):
            assert selector.strip().startswith(".feilun"), selector
