"""The questions' page is typed: every runnable block, in order, on a small table; every recipe on it is valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feilun.cli.main import main
from feilun.core import reading, yaml12

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
RUNNABLE = re.compile(r"^<!-- runnable(?:, exit (\d+))? -->\n```sh\n(.*?)```$", re.M | re.S)
QUICK = """data: {source: my.csv}
target: churn
model: {name: mlp, width: 16, depth: 1}
train: {epochs: 2, threads: 1}
evaluate: {bootstrap: 100}
"""  # what init writes learns longer


def blocks() -> Iterator[tuple[list[str], int]]:
    """(commands, exit code) of every runnable block."""
    for code, text in RUNNABLE.findall(PAGE):
        yield [line.partition("   #")[0].strip() for line in text.splitlines() if line.strip()], int(code or 0)


def words(command: str) -> list[str]:
    """As a shell would cut it."""
    return shlex.split(command)


def write_table(path: Path) -> None:
    """300 customers: who leaves follows from age, plan and a contract that ends; dates and regions beside."""
    draw = np.random.default_rng(0)
    lines = ["age,plan,region,city,joined,visits,contract_end,churn"]
    for _ in range(300):
        age, plan, visits = draw.integers(18, 80), draw.choice(["basic", "pro"]), draw.poisson(4)
        leaves = draw.random() < 1 / (1 + np.exp(0.06 * (age - 30) + (plan == "pro") + 0.3 * (visits - 4)))
        joined = f"20{draw.integers(20, 25)}-{draw.integers(1, 13):02}-{draw.integers(1, 29):02}"
        city, ended = draw.integers(40), ("2025", "yes") if leaves else ("", "no")
        cells = (age, plan, "NESW"[city % 4], f"city {city}", joined, visits, *ended)
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_reviews(path: Path) -> None:
    """120 short reviews in Chinese."""
    draw = np.random.default_rng(0)
    good, bad = ["很好", "满意", "干净", "喜欢"], ["很差", "失望", "太吵", "不好"]
    lines = ["评论,情感"]
    for number in range(120):
        parts = draw.choice(good if number % 2 else bad, 3)
        lines.append(f"房间{parts[0]}{number}号 服务{parts[1]} 位置{parts[2]},{'好' if number % 2 else '差'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_every_runnable_block_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "my.csv")
    write_reviews(tmp_path / "评论.csv")
    for name, code in re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)```$", PAGE, re.M | re.S):
        (tmp_path / name).write_text(code, encoding="utf-8")
    ran = 0
    for commands, expected in blocks():
        for command in commands:
            program, *arguments = words(command)
            assert program == "feilun", command
            got = main([*arguments, "--quiet"])
            assert got == expected, f"{command}: exit {got}\n{capsys.readouterr().err}"
            ran += 1
            if arguments[0] == "init" and arguments[1] == "my.csv":
                (tmp_path / "my.yaml").write_text(QUICK, encoding="utf-8")
    assert ran >= 25
    capsys.readouterr()
    assert main(["check", "my.yaml"]) == 0
    assert re.search(r"look at +contract_end", capsys.readouterr().out)  # known only when somebody has left


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.S))
def test_every_recipe_on_the_page_is_valid(text: str) -> None:
    reading.make_recipe(yaml12.load(text, "faq.md").value)


def test_every_question_has_a_command() -> None:
    for text in PAGE.split("\n## ")[1:]:
        assert "```sh\nfeilun " in text, text.partition("\n")[0]


def test_no_command_stands_in_a_block_that_is_not_run() -> None:
    assert PAGE.count("```sh\n") == len(list(blocks()))
