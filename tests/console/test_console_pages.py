"""The pages are whole, load nothing from elsewhere, and never turn text into markup."""

from __future__ import annotations

import re

import pytest

from feilun.console import pages


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_self_contained(path: str) -> None:
    html = pages()[path].decode()
    assert html.startswith("<!doctype html>") and html.rstrip().endswith("</html>")
    assert not re.search(r"/\* (style|words|chat|script) \*/", html)
    assert not re.findall(r"https?://|//cdn|@import|url\(|<script[^>]+src|<link[^>]+stylesheet", html)
    assert "innerHTML" not in html and "eval(" not in html


def test_every_shown_sentence_has_a_chinese_one() -> None:
    html = pages()["/"].decode() + pages()["/docs"].decode()
    words = set(re.findall(r'\bt\("([^"]+)"\)', html)) | {
        "Draw here, or drop a picture.",
        "This was saved before.",
        "Which one was taken?",
        "Write a message.",
        "Write the beginning of a text.",
    }
    known = set(re.findall(r'"([^"]+)": "', html))
    assert words - known == set()
    assert len(words) > 15
