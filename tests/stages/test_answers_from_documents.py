"""A folder of documents, end to end: found, read, quoted, or not in the documents; corrected, and learnt from."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from feilun import lifecycle
from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.store import Store

sys.path.append(str(Path(__file__).parent / "data"))
from papers import docx, page, pdf

PEOPLE = (
    *("Anna", "Boris", "Carla", "Dmitri", "Emeka", "Fatima", "Goran", "Hana", "Ines", "Jomo", "Kofi", "Lena"),
    *("Milan", "Nora", "Olaf", "Petra", "Rosa", "Sven", "Tara", "Umar"),
)
CHINESE = tuple(first + last for first in "王李张刘陈" for last in "芳雷伟洋静")
KNOWN = (*PEOPLE[::2], *CHINESE[::6])
PLACES = ("Rome", "Oslo", "Lima", "Bern", "Kyoto")
CITIES = ("北京", "上海", "广州", "成都")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
FACTS = (
    ("{0} lives in {1}.", "Where does {0} live?", PLACES),
    ("{0} comes back on {1}.", "When does {0} come back?", DAYS),
)
CHINESE_FACTS = (("{0}住在{1}。", "{0}住在哪里？", CITIES),)
Row = dict[str, Any]


def told(person: str, drawn: random.Random) -> tuple[str, list[Row]]:
    """What is said of somebody, always the same of those whom documents know, and the questions that it answers."""
    text, asked = "", []
    drawn = random.Random(person) if person in KNOWN else drawn
    for says, asks, words in CHINESE_FACTS if person in CHINESE else FACTS:
        word = drawn.choice(words)
        sentence = says.format(person, word)
        answer = {"text": word, "answer_start": len(text) + sentence.index(word)}
        asked.append({"question": asks.format(person), "answers": [answer]})
        text += sentence + ("" if person in CHINESE else " ")
    return text.strip(), asked


def rows(seed: int, count: int) -> list[Row]:
    """Questions about notes of two people; a fifth about somebody of whom nothing is said."""
    drawn, made = random.Random(seed), []
    while len(made) < count:
        people = drawn.sample((*PEOPLE, *CHINESE), 3)
        first, questions = told(people[0], drawn)
        context = f"{first} {told(people[1], drawn)[0]}"
        row = drawn.choice(questions)
        if drawn.random() < 0.2:
            row = {"question": row["question"].replace(people[0], people[2]), "answers": []}
        made.append({**row, "context": context})
    return made


def write(folder: Path) -> dict[str, tuple[str, str]]:
    """Documents of every kind; {question: (answer, document)}."""
    drawn, found = random.Random(7), {}
    folder.mkdir()
    for place, person in enumerate(KNOWN):
        text, asked = told(person, drawn)
        name = f"{person}.{('txt', 'md', 'html', 'docx', 'pdf')[place % 5 if person in PEOPLE else place % 4]}"
        path = folder / name
        if name.endswith("pdf"):
            pdf(path, [text])
        elif name.endswith("docx"):
            docx(path, [("heading 1", "Note"), ("", text)])
        else:
            body = {"html": page("Note", f"<p>{text}</p>"), "md": f"# Note\n\n{text}\n".encode()}
            path.write_bytes(body.get(path.suffix[1:], text.encode("gb18030" if person in CHINESE else "utf-8")))
        found |= {one["question"]: (one["answers"][0]["text"], name) for one in asked}
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[str, str]]]:
    """(home of the finished run `desk`, what its documents answer)."""
    base = tmp_path_factory.mktemp("desk")
    known = write(base / "文件")
    test = [{"question": asked, "context": "", "answers": []} for asked in ("Where does Zed live?",)]
    for asked, (answer, _) in known.items():
        test.append({"question": asked, "context": answer, "answers": [{"text": answer, "answer_start": 0}]})
    for name, some in (("train", rows(0, 400)), ("test", test)):
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in some)
        (base / f"{name}.jsonl").write_text(lines, "utf-8")
    recipe = Recipe.model_validate(
        {
            "name": "desk",
            "task": "question_answering",
            "data": {"source": "train.jsonl", "test": "test.jsonl", "documents": "文件", "near": "ignore"},
            "inputs": {"question": {"kind": "text", "tokens": "words"}, "context": "text"},
            "target": "answers",
            "model": {"name": "lstm", "width": 32, "dropout": 0.1, "token_dropout": 0.0},
            "train": {"epochs": 10, "batch_size": 32, "learning_rate": 0.01},
            "evaluate": {"bootstrap": 100},
            "optimize": {"quantize": "none"},
        }
    )
    lifecycle.run_recipe(recipe, home=base / "home", base=base)
    return base / "home", known


def test_questions_are_answered_and_quoted_from_the_documents(made: Any) -> None:
    home, known = made
    bundle = lifecycle.load("desk", home=home)
    assert set(bundle.signature) == {"question"}
    answers = bundle.predict([{"question": asked} for asked in known])
    right = [
        one["answer"] == said and one["document"] == name
        for one, (said, name) in zip(answers, known.values(), strict=True)
    ]
    assert sum(right) >= 0.6 * len(right), answers  # by chance a tenth
    for one in answers:
        if one["answer"] is not None:
            assert one["passage"][one["start"] : one["end"]] == one["answer"] and one["score"] > 0
            assert one["passage"] in [source["passage"] for source in one["sources"]]
    places = {one["document"].partition(".")[2]: one["place"] for one in answers if one["answer"]}
    assert {"pdf": "page 1", "docx": "Note", "html": "Note", "md": "Note", "txt": ""}.items() >= places.items()


def test_what_is_not_in_the_documents_is_said(made: Any) -> None:
    bundle = lifecycle.load("desk", home=made[0])
    strange, empty = bundle.predict([{"question": "qwertz uiop"}, {"question": ""}])
    for one in (strange, empty):
        assert one["answer"] is None and one["document"] is None and one["sources"] == []
    [few] = bundle.predict([{"question": "Where does Anna live?"}], passages=1)
    assert few["document"].startswith("Anna") and len(few["sources"]) == 5
    assert len(bundle.predict([{"question": "Where does Anna live?"}], passages=9)[0]["sources"]) == 9
    with pytest.raises(Exception, match="from 1 to 50"):
        bundle.predict([{"question": "x"}], passages=51)


def test_the_report_knows_how_often_the_passage_was_found(made: Any) -> None:
    home, known = made
    found = json.loads((home / "desk" / "1" / "evaluation" / "scores.json").read_text("utf-8"))
    assert found["main"] == "answer_f1" and found["n"] == len(known) + 1
    assert found["scores"]["recall_at_5"]["value"] > 0.9
    assert set(found["baselines"]) == {"no_answer", "most_frequent"}
    state = json.loads((home / "desk" / "1" / "evaluation" / "state.json").read_text("utf-8"))
    assert {name for _, name in known.values()} == set(state["documents"]["document"])


def test_a_correction_names_its_passage_and_is_learnt(made: Any) -> None:
    home, known = made
    bundle = lifecycle.load("desk", home=home)
    task, asked = discover.task("question_answering"), list(known)
    answers = bundle.predict([{"question": one} for one in asked])
    with pytest.raises(DataError, match="which passage"):
        task.correct({"question": asked[0]}, {"text": "Rome"}, bundle.recipe)
    with Store.open(home) as store:
        for number, (question, answer) in enumerate(zip(asked, answers, strict=True)):
            passage = answer["sources"][0]["passage"]
            said = known[question][0] if known[question][0] in passage else None
            entry = {"id": f"a{number}", "name": "desk", "version": 1, "row": {"question": question}, "answer": answer}
            store.add_feedback(**entry, correction={"text": said, "passage": passage})
    told = lifecycle.improve("desk", home=home)
    assert told["decision"] in ("promote", "keep") and told["answers"] == len(asked) and not told["left_out"]
    assert lifecycle.load(told["challenger"], home=home).predict([{"question": asked[0]}])[0]["sources"]


def test_documents_that_are_missing_or_not_read_are_said_before_any_work(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"name": "x", "data": {"source": "builtin:question_answering", "documents": "nowhere"}}
    with pytest.raises(DataError, match=r"no file or folder .*nowhere"):
        lifecycle.call("data", "resolve", Recipe.model_validate(keys), base=tmp_path)
    keys["data"]["source"] = "builtin:regression"
    with pytest.raises(RecipeError, match="answers from its inputs alone"):
        lifecycle.call("data", "resolve", Recipe.model_validate(keys), base=tmp_path)
