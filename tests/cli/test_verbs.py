"""The verbs as a newcomer types them, on a table with Chinese names: from a file to a model that learnt."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from feilun.cli.main import main
from feilun.core import reading
from feilun.parts.store import Store

QUICK = ["--set", "train.epochs=4", "--set", "evaluate.bootstrap=100", "--set", "model=linear"]


class Desk:
    """A folder, and what typing a command there says."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def type(self, *words: str, code: int = 0) -> str:
        """Standard output and standard error together; fails on another exit code."""
        got = main(list(words))
        said = self.capsys.readouterr()
        assert got == code, said.out + said.err
        assert "Traceback" not in said.out + said.err
        return said.out + said.err

    def json(self, *words: str) -> dict[str, Any]:
        """The object that `--json` prints."""
        assert main([*words, "--json"]) == 0
        told: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        return told


def write_table(path: Path, rows: int = 240, seed: int = 0) -> None:
    """Customers: the dearer and the younger, the sooner they leave; one column is different in every row."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["客户号", "年龄", "城市", "月费", "流失"])
        for number in range(rows):
            age, fee = draw.randint(18, 80), round(draw.gauss(60, 15), 1)
            leaves = fee - age / 2 + draw.gauss(0, 8) > 38
            writer.writerow([f"K{number:05}", age, draw.choice(["北京", "上海", ""]), fee, "是" if leaves else "否"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An empty folder with the table in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEILUN_HOME", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    write_table(tmp_path / "客户.csv")
    return Desk(tmp_path, capsys)


def test_from_a_table_to_a_better_model(desk: Desk) -> None:
    """One journey, because each step needs the one before."""
    said = desk.type("init", "客户.csv", "--target", "流失")
    assert "240 rows, 5 columns. 流失:" in said
    assert "left out   客户号  different in every row" in said
    assert "wrote 客户.yaml.  Next: feilun check 客户.yaml" in said
    assert (desk.folder / ".gitignore").read_text() == "runs/\n"
    assert len((desk.folder / "客户.yaml").read_text(encoding="utf-8").splitlines()) <= 12
    assert "nothing was trained" in desk.type("check", "客户.yaml")
    assert not (desk.folder / "runs").exists()

    said = desk.type("run", "客户.yaml", *QUICK)
    assert "客户@1  runs/客户/1/report.html  Next: feilun serve 客户" in said
    assert (desk.folder / "runs" / "客户" / "1" / "report.html").is_file()
    assert "nothing had changed; this is 客户@1" in desk.type("run", "客户", *QUICK)
    assert "misses --fail-under 1.1" in desk.type("run", "客户.yaml", *QUICK, "--fail-under", "1.1", code=3)

    _look(desk)
    _answer(desk)
    _learn(desk)
    _keep_house(desk)


def _look(desk: Desk) -> None:
    assert "客户@1" in desk.type("show", "客户")
    assert desk.type("show", "客户@1", "card").startswith("---")
    shown = desk.type("show", "客户", "recipe")
    (desk.folder / "again.yaml").write_text(shown, encoding="utf-8")
    assert reading.read_recipe(desk.folder / "again.yaml").train.epochs == 4
    assert "客户@1  classification  linear" in desk.type("runs")
    assert "champion" in desk.type("models")
    assert "There is no '客户2'" in desk.type("show", "客户2", code=2)
    assert "There is no version '客户@9'" in desk.type("show", "客户@9", code=2)


def _answer(desk: Desk) -> None:
    [answer] = desk.json("predict", "客户", "--row", '{"年龄": 30, "城市": "北京", "月费": 90}')["result"]
    assert "是" in json.dumps(answer, ensure_ascii=False)
    said = desk.type("predict", "客户@1", "客户.csv", "--output", "answers.jsonl")
    assert "240 rows answered" in said
    assert len((desk.folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()) == 240
    assert "feilun predict my new.csv" in desk.type("predict", "客户", code=2)
    assert "--row is not JSON" in desk.type("predict", "客户", "--row", "{", code=2)
    assert "export" in desk.type("export", "客户", "model", "--dry-run") or not (desk.folder / "model").exists()
    assert "wrote model" in desk.type("export", "客户", "model")
    assert (desk.folder / "model" / "predict.py").is_file()
    assert "is there already" in desk.type("export", "客户", "model", code=2)


def _learn(desk: Desk) -> None:
    assert "nothing here yet" in desk.type("feedback", "list", "客户")
    assert "feedback" in desk.type("improve", "客户", code=2)
    with Store.open(desk.folder / "runs") as store:
        for number in range(60):
            row = {"年龄": 20 + number, "城市": "北京", "月费": 90.0}
            answer = {"label": "是"}
            store.add_feedback(id=f"a{number}", name="客户", version=1, row=row, answer=answer, correction="是")
    assert "a59  客户@1  是  是" in desk.type("feedback", "list", "客户")
    assert "Would retrain" in desk.type("improve", "客户", "--dry-run")
    told = desk.json("improve", "客户")
    assert told["result"]["decision"] in ("promote", "keep")
    assert told["next"] == "feilun show 客户@2"
    assert "客户@2" in desk.type("models", "客户")
    assert "Would make 客户@2 the champion" in desk.type("promote", "客户@2", "--dry-run")
    assert "客户 serves 客户@2" in desk.type("promote", "客户@2", "--reason", "tested by hand")
    assert "客户 serves 客户@1" in desk.type("rollback", "客户@1")
    assert "needs a version" in desk.type("promote", "客户", code=2)
    assert desk.type("monitor", "客户")


def _keep_house(desk: Desk) -> None:
    key = desk.json("keys", "add", "website")["result"]["key"]
    listed = desk.type("keys")
    assert "website" in listed
    assert key not in listed
    assert "nothing to clean" in desk.type("clean")
    assert desk.json("doctor")["result"]["python"]


def test_data_and_target_are_init_and_run_in_one(desk: Desk) -> None:
    said = desk.type("run", "客户.csv", "--target", "流失", *QUICK)
    assert "wrote 客户.yaml" in said
    assert "客户@1" in said
    assert "Type `feilun run 客户.yaml`" in desk.type("run", "客户.csv", "--target", "流失", code=2)


def test_init_never_overwrites_and_dry_run_writes_nothing(desk: Desk) -> None:
    path = desk.folder / "客户.yaml"
    assert "target: 流失" in desk.type("init", "客户.csv", "--target", "流失", "--dry-run")
    assert not path.exists()
    path.write_text("mine\n", encoding="utf-8")
    assert "is there already" in desk.type("init", "客户.csv", "--target", "流失", code=2)
    assert path.read_text(encoding="utf-8") == "mine\n"
    desk.type("init", "客户.csv", "--target", "流失", "--yes")
    assert path.read_text(encoding="utf-8") != "mine\n"


def test_chinese_is_spoken_where_asked_for(desk: Desk) -> None:
    said = desk.type("init", "客户.csv", "--target", "流失", "--lang", "zh")
    assert "240 行,5 列。" in said
    assert "已写入 客户.yaml.  下一步:feilun check 客户.yaml" in said


def test_report_and_card_open_in_the_language_that_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEILUN_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    desk.type("init", "客户.csv", "--target", "流失")
    folder = desk.folder / "runs" / "客户" / "1"
    for spoken, flags, language in (("C.UTF-8", ["--lang", "zh"], "zh"), ("zh_CN.UTF-8", ["--lang", "en"], "en")):
        monkeypatch.setenv("LANG", spoken)
        desk.type("run", "客户.yaml", *QUICK, *flags)
        page, card = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "card.md"))
        assert f'id="lang-{language}" class="switch" checked' in page
        assert ("## 用途" if language == "zh" else "## Purpose") in card
        assert "FEILUN_LANG" not in os.environ
    desk.type("run", "客户.yaml", *QUICK)
    assert 'id="lang-zh" class="switch" checked' in (folder / "report.html").read_text(encoding="utf-8")


def test_interrupted_runs_are_listed_and_deleted_only_with_yes(desk: Desk) -> None:
    folder = desk.folder / "runs" / "my" / "1"
    (folder / "data").mkdir(parents=True)
    saved = {"recipe": {"task": "x", "model": {"name": "y"}}, "lap": None, "stages": {}, "finished": False}
    (folder / "run.json").write_text(json.dumps(saved), encoding="utf-8")
    assert "interrupted" in desk.type("clean")
    assert folder.exists()
    assert "interrupted" in desk.type("clean", "--yes", "--dry-run")
    assert folder.exists()
    assert "deleted" in desk.type("clean", "--yes")
    assert not folder.exists()


BROKEN = {
    "missing file": ("run", "none.yaml"),
    "missing data": ("init", "none.csv", "--target", "x"),
    "wrong column": ("init", "客户.csv", "--target", "流失率"),
    "no target": ("init", "客户.csv"),
    "empty file": ("init", "empty.csv", "--target", "a"),
    "only a header": ("init", "header.csv", "--target", "a"),
    "random bytes": ("init", "bytes.csv", "--target", "a"),
    "one class": ("run", "one_class.csv", "--target", "b"),
    "one row": ("run", "one_row.csv", "--target", "b"),
    "nothing but missing values": ("run", "nan.csv", "--target", "b"),
    "broken picture": ("run", "pictures", "--target", "label"),
    "unknown model": ("run", "客户.csv", "--target", "流失", "--set", "model=nlp"),
    "unknown model option": ("run", "客户.csv", "--target", "流失", "--set", "model.widht=3"),
    "unknown kind": ("run", "客户.csv", "--target", "流失", "--set", "inputs.年龄=numbr"),
    "unknown thing": ("predict", "nothing", "客户.csv"),
    "unknown key": ("help", "train.lr"),
}


@pytest.mark.parametrize("words", BROKEN.values(), ids=BROKEN.keys())
def test_a_mistake_gets_a_sentence_and_exit_2(words: tuple[str, ...], desk: Desk) -> None:
    folder = desk.folder
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("a,b\n")
    (folder / "bytes.csv").write_bytes(random.Random(0).randbytes(4000))
    (folder / "one_class.csv").write_text("a,b\n" + "".join(f"{n},yes\n" for n in range(40)))
    (folder / "one_row.csv").write_text("a,b\n1,yes\n")
    (folder / "nan.csv").write_text("a,b\n" + "NaN,NaN\n" * 40)
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        for number in range(12):
            (folder / "pictures" / label / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken" + bytes([number]))
    said = desk.type(*words, code=2)
    assert len(said.strip()) > 20


def test_a_busy_name_is_exit_5(desk: Desk) -> None:
    from feilun.core import progress

    desk.type("init", "客户.csv", "--target", "流失")
    with progress.locked(desk.folder / "runs" / "客户"):
        assert "being worked on" in desk.type("run", "客户.yaml", *QUICK, code=5)
