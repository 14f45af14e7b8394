"""Half a surrogate pair and a key given twice: refused at the door, wherever rows come in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_client import ask
from tiny_bundle import ROW

from feilun.core.errors import DataError
from feilun.core.manifest import hash_json
from feilun.core.recipe import Serve
from feilun.stages.deployment import verbs
from feilun.stages.deployment.serving import limits, replies, server


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    with server.background(home, "my", Serve(port=0), {}) as where:
        yield where


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (rb'{"rows": [{"width": 1, "height": 2}, {"width": "\ud800", "height": 1}]}', "body.rows[1].width"),
        (rb'{"row": {"width": 1, "h\udfff": "x"}}', "body.row"),
        (rb'{"row": {"width": 1, "height": "\udc00\ud800"}}', "body.row.height"),
    ],
)
def test_half_a_surrogate_pair_is_refused_with_its_place(address: str, body: bytes, where: str) -> None:
    status, said, _ = ask(address, "/v1/predict", body)
    assert status == 400 and said["error"]["where"].startswith(where), said
    assert "surrogate" in said["error"]["message"]


def test_half_a_surrogate_pair_is_refused_in_feedback_and_a_whole_pair_is_taken(address: str) -> None:
    id = ask(address, "/v1/predict", {"row": ROW})[1]["predictions"][0]["id"]
    half = b'{"id": "' + id.encode() + rb'", "answer": "\ud800"}'
    assert ask(address, "/v1/feedback", half)[0] == 400
    assert limits.parsed(rb'{"a": "\ud83d\ude00 \\ud800"}') == {"a": "\U0001f600 \\ud800"}


def test_a_key_given_twice_is_refused(address: str) -> None:
    for body in (b'{"row": {"width": 1, "width": 2, "height": 2}}', b'{"rows": [], "rows": []}'):
        status, said, _ = ask(address, "/v1/predict", body)
        assert status == 400 and "twice" in said["error"]["message"], said
    with pytest.raises(replies.Refused, match="'a'"):
        limits.parsed(b'{"b": [{"a": 1, "a": 1}]}')


def test_rows_of_files_and_texts_are_refused_alike(bundle: Path, tmp_path: Path) -> None:
    row = {**ROW, "width": "\ud800"}
    (tmp_path / "r.jsonl").write_text(json.dumps(ROW) + "\n" + json.dumps(row) + "\n")
    for source, words in ((tmp_path / "r.jsonl", r"r\.jsonl:2: .*surrogate"), ([row], "row 1.*surrogate")):
        with pytest.raises(DataError, match=words):
            verbs.predict(bundle, source)


def test_anything_has_a_hash() -> None:
    assert len({hash_json("\ud800"), hash_json("\udfff"), hash_json("?")}) == 3
