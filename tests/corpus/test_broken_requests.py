"""Broken requests to a running server, and broken files to `feilun predict`: a right answer, or what is wrong."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken import QUICK, table

from feilun.cli.main import main
from feilun.core.recipe import Serve
from feilun.stages.deployment.serving import server

GOOD: dict[str, Any] = {"x": 3, "c": "a", "note": "a good one", "w": 12}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A table model with a number, a category and a text, in the folder where commands are typed."""
    folder = tmp_path_factory.mktemp("requests")
    words = {"no": "bad poor ugly", "yes": "good fine nice"}
    label = lambda i: "no" if i % 17 < 8 else "yes"  # noqa: E731
    note = lambda i: f"a {words[label(i)].split()[i % 3]} one of many {i % 7}"  # noqa: E731
    (folder / "t.csv").write_text(
        table(200, x=lambda i: i % 17, c=lambda i: "ab"[i % 2], note=note, w=lambda i: f"{10 + i % 9}.5 kg", y=label),
        encoding="utf-8",
    )
    (folder / "my.yaml").write_text(
        'data: {source: t.csv, missing: ["", "?", "-999"]}\n'
        "inputs: {x: number, c: category, note: text, w: number}\ntarget: y\n",
        encoding="utf-8",
    )
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["run", "my.yaml", *QUICK, "--quiet"]) == 0
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """Where the model answers."""
    with server.background(home / "runs", "my", Serve(port=0, body_mb=0.2, rows=16), {}) as where:
        yield where


def ask(address: str, body: bytes, path: str = "/v1/predict") -> tuple[int, Any]:
    """(status, JSON)."""
    request = urllib.request.Request(address + path, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def row(**changes: Any) -> bytes:
    """The good row with changes; None takes a key away."""
    return json.dumps({"row": {**GOOD, **changes}}).encode()


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "json"),
    "no JSON": (b"row=1", "json"),
    "a list": (b"[1, 2]", "row"),
    "no row": (b"{}", "row"),
    "row is text": (b'{"row": "x"}', "row"),
    "rows is empty": (b'{"rows": []}', "rows"),
    "rows of lists": (b'{"rows": [[1, "a"]]}', "row"),
    "too many rows": (json.dumps({"rows": [GOOD] * 17}).encode(), "16"),
    "far too large": (json.dumps({"row": {**GOOD, "note": "x" * 300_000}}).encode(), "0.2"),
    "cut off": (row()[:-9], "json"),
    "not UTF-8": (b'{"row": {"x": 3, "c": "\xff"}}', "utf-8"),
    "half a surrogate pair": (b'{"row": {"x": 3, "c": "\\ud800", "note": "n"}}', "c"),
    "NaN": (b'{"row": {"x": NaN, "c": "a", "note": "n", "w": 12}}', "nan"),
    "a word for a number": (row(x="three"), "x"),
    "a number as Python writes it": (row(x="1_000"), "plain number"),
    "a number in full-width digits": (row(x="１２"), "plain number"),
    "infinity as text": (row(x="inf"), "plain number"),
    "a number beyond all as text": (row(x=" 1e400"), "plain number"),
    "a decimal comma": (row(x="3,5"), "plain number"),
    "not a number, and not listed": (row(x="nan"), "plain number"),
    "another unit": (row(w="12 lb"), "numbers in kg"),
    "another unit that is near": (row(w="12 g"), "12kg or 12"),
    "a unit where there was none": (row(x="3 kg"), "plain number"),
    "a list for a number": (row(x=[3]), "x"),
    "an object for a number": (row(x={"a": 1}), "x"),
    "a list for a category": (row(c=["a"]), "c"),
    "a number as text of a list": (row(note=["a"]), "note"),
    "a missing column": (b'{"row": {"c": "a", "note": "n", "w": 12}}', "x"),
    "a column too many": (row(zzz=1), "zzz"),
    "a key too many": (b'{"row": {"x": 3, "c": "a", "note": "n", "w": 12}, "rwos": 1}', "rwos"),
    "an option nobody knows": (b'{"row": {"x": 3, "c": "a", "note": "n", "w": 12}, "options": {"top": 1}}', "top"),
    "an option of the wrong kind": (
        b'{"row": {"x": 3, "c": "a", "note": "n", "w": 12}, "options": {"top_k": "a"}}',
        "top_k",
    ),
    "deeply nested": (b'{"row": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", ""),
    "a picture for a number": (row(x=base64.b64encode(bytes(100)).decode()), "x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_request_is_refused_in_words(address: str, name: str) -> None:
    body, word = REFUSED[name]
    status, said = ask(address, body)
    assert 400 <= status < 500, said
    assert word.lower() in json.dumps(said["error"], ensure_ascii=False).lower()
    assert ask(address, row())[0] == 200  # and it goes on answering


ANSWERED: dict[str, bytes] = {
    "a category never seen": row(c="zebra"),
    "a missing number": row(x=None),
    "a missing category": row(c=None),
    "an empty text": row(note=""),
    "numeric text": row(x="3"),
    "a huge number": row(x=1e308),
    "another script": row(note="完全不同的语言", c="北京"),
    "a long text": row(note="word " * 20_000),
    "emoji": row(note="👍🏽 great", c="👍"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_an_odd_request_is_answered_with_chances(address: str, name: str) -> None:
    status, said = ask(address, ANSWERED[name])
    assert status == 200, said
    chances = said["predictions"][0]["answer"]["scores"]
    assert set(chances) == {"no", "yes"} and abs(sum(chances.values()) - 1) < 1e-6


ALIKE: dict[str, tuple[bytes, bytes]] = {
    "a listed number": (row(x=-999), row(x=None)),
    "a listed number, typed with a point": (row(x=-999.0), row(x=None)),
    "a listed number as text": (row(x=" -999.00"), row(x=None)),
    "a listed word for a number": (row(x="?"), row(x=None)),
    "a listed word for a category": (row(c=" ? "), row(c=None)),
    "a listed number for a category": (row(c=-999.0), row(c=None)),
    "a listed word for a text": (row(note="?"), row(note="")),
    "a number with its unit": (row(w="12.50 kg"), row(w=12.5)),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_request_is_read_as_training_read_its_rows(address: str, name: str) -> None:
    said, meant = (ask(address, body) for body in ALIKE[name])
    assert said[0] == meant[0] == 200, said
    assert said[1]["predictions"][0]["answer"] == meant[1]["predictions"][0]["answer"]


FILES: dict[str, tuple[str, bytes, int, str]] = {
    "predict: a column vanished": ("f.csv", b"x,note,w\n3,good one,12\n", 2, "c"),
    "predict: another column order": ("f.csv", b"note,w,c,x\ngood one,12 kg,a,3\n", 0, ""),
    "predict: a column more": ("f.csv", b"x,c,note,extra,w\n3,a,good one,1,12kg\n", 0, ""),
    "predict: a category never seen": ("f.csv", b"x,c,note,w\n3,zebra,good one,12\n", 0, ""),
    "predict: a word for a number": ("f.csv", b"x,c,note,w\nthree,a,good one,12\n", 2, "x"),
    "predict: an empty file": ("f.csv", b"", 2, "f.csv"),
    "predict: a header alone": ("f.csv", b"x,c,note,w\n", 2, "f.csv"),
    "predict: one field more": ("f.csv", b"x,c,note,w\n3,a,n,12\n3,a,n,12,7\n", 2, "3"),
    "predict: semicolons": ("f.csv", b"x;c;note;w\n3;a;good one;12\n", 0, ""),
    "predict: GB18030": ("f.csv", "x,c,note,w\n3,北京,很好,12\n".encode("gb18030"), 0, ""),
    "predict: UTF-16": ("f.csv", "x,c,note,w\n3,a,good,12\n".encode("utf-16"), 0, ""),
    "predict: JSON lines": ("f.jsonl", b'{"x": 3, "c": "a", "note": "n", "w": 12}\n', 0, ""),
    "predict: JSON lines with a missing number": (
        "f.jsonl",
        b'{"x": -999, "c": "?", "note": "n", "w": "12.5 kg"}\n',
        0,
        "",
    ),
    "predict: JSON lines with a decimal comma": (
        "f.jsonl",
        b'{"x": "3,5", "c": "a", "note": "n", "w": 12}\n',
        2,
        "row 1",
    ),
    "predict: broken JSON lines": ("f.jsonl", b'{"x": 3, "c": "a", "note": "n", "w": 12}\n{"x":\n', 2, "2"),
    "predict: another unit": ("f.csv", b"x,c,note,w\n3,a,n,12 lb\n", 2, "kg"),
    "predict: Excel": ("f.xlsx", b"PK\x03\x04" + bytes(50), 2, "csv"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_to_answer(home: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, content, code, word = FILES[name]
    (home / file).write_bytes(content)
    got = main(["predict", "my", file])
    said = "".join(capsys.readouterr())
    assert got == code and "Traceback" not in said and word.lower() in said.lower(), said


def test_a_formula_in_an_answer_file_stays_text(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet that opens the answers must not run what a visitor typed."""
    (home / "g.csv").write_text('x,c,note,w\n3,a,"=HYPERLINK(""http://x"")",12\n', encoding="utf-8")
    assert main(["predict", "my", "g.csv", "-o", "out.csv", "--yes"]) == 0
    assert ",=" not in (home / "out.csv").read_text(encoding="utf-8").replace('"', "")


def test_with_these_the_corpus_has_150_inputs() -> None:
    from test_broken_inputs import CASES

    assert len(CASES) + len(REFUSED) + len(ANSWERED) + len(ALIKE) + len(FILES) >= 150
