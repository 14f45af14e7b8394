"""What the pages point at is there, and both READMEs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").glob("*/README.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_both_readmes_say_the_same() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    for mark in ("\n## ", "\n- ", "```"):
        assert english.count(mark) == chinese.count(mark), mark
    commands = [re.findall(r"^(?:feilun|make|pip) [^#\n]*", text, re.M) for text in (english, chinese)]
    assert [line.strip() for line in commands[0]] == [line.strip() for line in commands[1]]
    assert len(commands[0]) >= 9


def test_the_commands_of_the_readme_exist() -> None:
    from feilun.cli.main import parser

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in re.findall(r"^feilun ([^#\n]*)", text, re.M):
        parser().parse_args(line.split())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", text, re.M):
        assert f"\n{target}:" in makefile
