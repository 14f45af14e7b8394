"""Every sentence of the report in English and Chinese, from the same facts: the English template is the key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from markupsafe import Markup, escape

from feilun.core import yaml12
from feilun.parts.metrics import wording

FILE = "chinese.yaml"  # beside this file
LONGEST = 700  # letters of a sentence that is looked up; what is longer is a person's text, not ours
HOLE = re.compile(r"\\\{(\w+)(?::[^}]*)?\\\}")
SPAN = re.compile(r'<span class="en">(?P<en>.*?)</span><span class="zh" lang="zh">(?P<zh>.*?)</span>', re.DOTALL)
DRAWN = re.compile(r'(<text [^>]*) data-l="(?P<lang>en|zh)">(?P<text>.*?)</text>', re.DOTALL)
# Holes whose content is our own word or sentence; what fills any other hole is data and stays as it is.
OURS = frozenset({"baseline", "score", "words", "by", "moved", "kind", "looks", "reason", "first", "second", "how"})
HAN = re.compile("[一-鿿]")
POINTS = re.compile(r"(?<=\()([-+]?[\d.]+) points(?=\))")
LEAST = 4  # letters of its own below which a template would fit anything


@dataclass(frozen=True, slots=True)
class Phrase:
    """The same thing in both languages, escaped; the page shows one of them."""

    en: Markup
    zh: Markup

    def __html__(self) -> Markup:
        if self.en == self.zh:
            return self.en
        return Markup('<span class="en">{}</span><span class="zh" lang="zh">{}</span>').format(self.en, self.zh)

    def __str__(self) -> str:
        return str(self.en)

    def of(self, language: str) -> str:
        """Plain text in one language, for a title or a label that cannot be both."""
        return (self.zh if language == "zh" else self.en).unescape()

    def drawn(self, attributes: str) -> Markup:
        """The same for SVG: <text> elements. attributes: markup of ours, such as `x="3"`."""
        if self.en == self.zh:
            return Markup(f"<text {attributes}>{self.en}</text>")
        return Markup(f'<text {attributes} data-l="en">{self.en}</text><text {attributes} data-l="zh">{self.zh}</text>')


Said: TypeAlias = "Phrase | str | int | float | Markup"


def sentences() -> dict[str, str]:
    """{English template: Chinese template}."""
    return _words()["sentences"]


def terms() -> dict[str, str]:
    """{a word of ours in English, lower case: in Chinese}."""
    return _words()["terms"]


def tell(template: str, /, **values: Said) -> Phrase:
    """The sentence with its holes filled. Values are data and stay as they are, but a Phrase comes in both languages.

    A template that nobody has put into Chinese is English in both; a test names it.
    """
    return Phrase(_filled(template, values, "en"), _filled(sentences().get(template, template), values, "zh"))


def term(name: str) -> Phrase:
    """A word of ours, such as a score's, a baseline's, a stage's or a kind's name, as people write it."""
    english = wording.title(str(name))
    chinese = terms().get(str(name).replace("_", " ").lower())
    return Phrase(escape(english), escape(chinese if chinese is not None else english))


def opening(phrase: Phrase) -> Phrase:
    """The same at the beginning of a sentence."""
    return Phrase(Markup(wording.opening(str(phrase.en))), phrase.zh)


def verbatim(text: Any) -> Phrase:
    """Something of the user's: never translated."""
    return Phrase(escape(str(text)), escape(str(text)))


def known(sentence: Any) -> Phrase:
    """A sentence that another room wrote in English, in Chinese too if a template of ours fits it."""
    text = str(sentence)
    if text in sentences():
        return tell(text)
    if (word := text.replace("_", " ").lower()) in terms():
        return Phrase(escape(text), escape(terms()[word]))
    return Phrase(escape(text), _matched(text) if len(text) <= LONGEST else escape(text))


def joined(phrases: list[Phrase]) -> Phrase:
    """One sentence after the other; Chinese needs no space between them."""
    return Phrase(Markup(" ").join(one.en for one in phrases), Markup("").join(one.zh for one in phrases))


def listed(phrases: Sequence[Phrase]) -> Phrase:
    """Separated by commas, as each language writes them."""
    return Phrase(Markup(", ").join(one.en for one in phrases), Markup("、").join(one.zh for one in phrases))


def only(html: str, language: str) -> str:
    """The page with one of its languages, for places that cannot switch."""
    page = SPAN.sub(lambda found: found["zh" if language == "zh" else "en"], html)
    return DRAWN.sub(lambda found: f"{found[1]}>{found['text']}</text>" if found["lang"] == language else "", page)


def _filled(template: str, values: Mapping[str, Said], language: str) -> Markup:
    if language == "zh":
        template = _close(template, values)
    return Markup(escape(template)).format(
        **{name: getattr(value, language) if isinstance(value, Phrase) else value for name, value in values.items()}
    )


def _close(template: str, values: Mapping[str, Said]) -> str:
    """Chinese sets a space between Chinese and Latin letters, none within Chinese: a word of ours may be either."""
    for name, value in values.items():
        if isinstance(value, Phrase) and value.zh:
            if HAN.match(value.zh[0]):
                template = re.sub(rf"(?<={HAN.pattern}) (?={{{name}\b)", "", template)
            if HAN.match(value.zh[-1]):
                template = re.sub(rf"({{{name}}}) (?={HAN.pattern})", r"\1", template)
    return template


def _matched(text: str) -> Markup:
    first, cut, second = text.partition(". ")
    if cut:  # two sentences, each known by itself; else a template may hold both
        apart = known(f"{first}."), known(second)
        if all(one.zh != one.en for one in apart):
            return Markup("").join(one.zh for one in apart)
    for template, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found:
            filled = {n: known(v).zh if n in OURS else escape(v) for n, v in found.groupdict().items()}
            if "columns" in filled:  # names of the user's with differences of ours
                filled["columns"] = Markup(POINTS.sub(r"\1 个百分点", filled["columns"]))
            plain = re.sub(r"\{(\w+):[^}]*\}", r"{\1}", sentences()[template])  # the number is written already
            return _filled(plain, filled, "zh")
    for between, chinese in ((". ", "。"), ("; ", "；")):
        first, cut, second = text.partition(between)
        sides = (known(first + between.strip() if between == ". " else first), known(second)) if cut else ()
        if any(side.zh != side.en for side in sides):
            return Markup("" if between == ". " else chinese).join(side.zh for side in sides)
    return escape(text)


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, str]]:
    path = Path(__file__).with_name(FILE)
    found: dict[str, dict[str, str]] = yaml12.load(path.read_text(encoding="utf-8"), FILE).value
    return found


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Templates with holes, those with most letters of their own first: the most particular one wins."""
    own = {template: len(re.findall(r"[A-Za-z]", re.sub(r"\{.*?\}", "", template))) for template in sentences()}
    holed = sorted((template for template in own if "{" in template and own[template] >= LEAST), key=lambda t: -own[t])
    return [(template, re.compile(HOLE.sub(_hole, re.escape(template)), re.DOTALL)) for template in holed]


def _hole(found: re.Match[str]) -> str:
    """What fits a hole: anything; in that of a score one of its names first, since `mAP at 50 62 %` splits anywhere."""
    name = found[1]
    titles = sorted({wording.title(word) for word in terms()}, key=len, reverse=True) if name == "score" else []
    return f"(?P<{name}>{'|'.join([*map(re.escape, titles), '.+?'])})"
