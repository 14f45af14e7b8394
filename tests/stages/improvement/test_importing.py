"""Feedback from a file, and the way back from a prediction id."""

import json

import pytest

from feilun.core.errors import DataError
from feilun.parts.store import PredictionLog, Store
from feilun.stages.improvement import verbs


@pytest.fixture
def home(tmp_path):
    log = PredictionLog(tmp_path / "my" / "predictions")
    for i in range(5):
        record = {
            "id": log.new_id(),
            "at": 1.0 + i,
            "name": "my",
            "version": 2,
            "row": {"x": i},
            "answer": {"label": "a"},
        }
        log.append(record)
    log.close()
    return tmp_path


def ids(home):
    from feilun.parts.store import predictions

    return [record["id"] for record in predictions.read(home / "my" / "predictions").records]


def test_corrections_come_from_a_file_of_either_spelling(home):
    one, two, *_ = ids(home)
    source = home / "answers.jsonl"
    lines = [{"prediction_id": one, "answer": "b"}, {"id": two, "answer": "好"}]
    source.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    assert verbs.add_feedback(home, "my", source) == {"added": 2, "known": 0}
    assert verbs.add_feedback(home, "my", source) == {"added": 0, "known": 2}
    given = verbs.feedback(home, "my")
    assert [(row["id"], row["answer"], row["given"]) for row in given] == [
        (one, "b", {"label": "a"}),
        (two, "好", {"label": "a"}),
    ]


@pytest.mark.parametrize(
    "line, words",
    [
        ('{"prediction_id": "00000001-000000000000000000000000", "answer": 1}', "never gave"),
        ('{"prediction_id": "x"}', "expected"),
        ("[1]", "expected"),
        ("nonsense", "not JSON"),
        (r'{"prediction_id": "x", "answer": ["\ud800"]}', r"answer\[0\].*surrogate"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_wrong_line_is_named(home, line, words):
    source = home / "answers.jsonl"
    source.write_text(json.dumps({"id": ids(home)[0], "answer": "b"}) + "\n" + line + "\n")
    with pytest.raises(DataError, match=f"answers.jsonl:2.*{words}"):
        verbs.add_feedback(home, "my", source)


def test_a_file_that_is_not_there_is_named(home):
    with pytest.raises(DataError, match="cannot be read"):
        verbs.add_feedback(home, "my", home / "nothing.jsonl")


def test_a_prediction_is_traced_to_its_version_and_correction(home):
    asked = ids(home)[3]
    with Store.open(home) as store:
        store.register("my", 2, bundle="my/2/deployment/bundle", sha256="0" * 64)
        store.add_feedback(id=asked, name="my", version=2, row={"x": 3}, answer={}, correction="b")
        store.mark_feedback({asked: True}, lap=4)
    traced = verbs.trace(home, asked)
    assert traced["row"] == {"x": 3} and traced["name"] == "my" and traced["bundle"]["number"] == 2
    assert traced["feedback"]["correction"] == "b" and traced["feedback"]["lap"] == 4
    assert verbs.trace(home, "00000001-000000000000000000000000") is None and verbs.trace(home, "my@1") is None
