"""The web pages over the same life cycle: self-contained, nothing is loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent


def pages() -> dict[str, bytes]:
    """{path: HTML with its style and script inside} of everything that the server shows in a browser."""
    return {"/": _page("playground"), "/docs": _page("docs")}


def _page(name: str) -> bytes:
    html = _text(f"{name}.html")
    html = html.replace("/* style */", _text("page.css")).replace("/* words */", _text("words.js"))
    html = html.replace("/* chat */", _text("chat.js"))
    return html.replace("/* script */", _text(f"{name}.js")).encode()


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
