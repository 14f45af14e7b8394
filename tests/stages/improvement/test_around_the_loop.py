"""Feedback to lap to decision on a real small model: what is collected, resumed, decided and watched."""

import json
import shutil
import time

import numpy as np
import pytest
from sqlalchemy import text

from feilun import lifecycle
from feilun.core import manifest
from feilun.core.errors import InputError
from feilun.core.recipe import Recipe
from feilun.parts.dataset import SPLITS, load_rows
from feilun.parts.store import PredictionLog, Store
from feilun.stages.improvement import verbs

NAME = "spots"


def table(seed, count, turned=False):
    """Two numbers, and whether the first is positive; `turned`: far up, and the answer reversed."""
    draw = np.random.default_rng(seed)
    x, y = draw.normal(size=(2, count))
    positive = np.where((x > 0) ^ turned, "yes", "no").tolist()
    return {"x": x.round(6).tolist(), "y": (y + 6 * turned).round(6).tolist(), "positive": positive}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    train = {"epochs": 8, "learning_rate": 0.01, "patience": None, "threads": 1}
    recipe = Recipe.model_validate(
        {"name": NAME, "task": "classification", "inputs": {"x": "number", "y": "number"}, "target": "positive"}
        | {"model": {"name": "mlp"}, "train": train, "optimize": {"quantize": "none"}}
    )
    run = lifecycle.run_recipe(recipe, home=home, base=home, frame=table(0, 600))
    assert run.number == 1
    return home


@pytest.fixture
def home(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "home")


def ask(home, rows, version=1, noted=None):
    """What a server does: answers, and notes them (as answers of version `noted`). Returns the ids."""
    asked = [{"x": x, "y": y} for x, y in zip(rows["x"], rows["y"], strict=True)]
    answers = lifecycle.load(f"{NAME}@{version}", home=home).predict(asked)
    log = PredictionLog(home / NAME / "predictions")
    ids = [log.new_id() for _ in asked]
    facts = {"at": round(time.time(), 3), "name": NAME, "version": noted or version, "latency_s": 0.002}
    for id, row, answer in zip(ids, asked, answers, strict=True):
        log.append({"id": id, "row": row, "answer": answer, **facts})
    log.close()
    return ids


def correct(home, ids, corrections):
    source = home / "corrections.jsonl"
    lines = [json.dumps({"id": id, "answer": answer}) for id, answer in zip(ids, corrections, strict=True)]
    source.write_text("\n".join(lines))
    return verbs.add_feedback(home, NAME, source)


def collect(home):
    return verbs.collect(home, NAME, lambda number: lifecycle.run_folder(home, NAME, number))


def used(home):
    return {entry["id"]: (entry["lap"], entry["held"]) for entry in verbs.feedback(home, NAME)}


def test_without_feedback_there_is_nothing_to_learn(home):
    with pytest.raises(InputError, match="no new feedback"):
        collect(home)
    with pytest.raises(InputError, match="no version"):
        verbs.collect(home, "other", lambda number: home / "other" / str(number))


def test_collecting_makes_a_data_set_with_its_lineage(home):
    rows = table(1, 60)
    ids = ask(home, rows)
    correct(home, ids, rows["positive"])
    lap = collect(home)
    folder = lap["rows"]
    assert folder == home / NAME / "laps" / "1" and (lap["lap"], lap["answers"]) == (1, 60)
    made, splits = manifest.read(folder), np.load(folder / "splits.npy")
    assert made.parent == verbs.versions(home, NAME)[0]["sha256"] and made.kind == "lap"
    stored = load_rows(folder / "rows")
    brought = {id: (x, positive) for id, x, positive in zip(ids, rows["x"], rows["positive"], strict=True)}
    assert {row["_id"]: (row["x"], row["positive"]) for row in stored} == brought
    held = [SPLITS[split] == "held" for split in splits]
    assert 8 <= sum(held) == lap["held"] <= 32 and lap["train"] == 60 - lap["held"]
    assert used(home) == dict(zip(stored["_id"], [(1, is_held) for is_held in held], strict=True))


def test_the_order_in_which_answers_came_does_not_matter(home, tmp_path):
    other = shutil.copytree(home, tmp_path / "other")
    rows = table(1, 30)
    backwards = {column: values[::-1] for column, values in rows.items()}
    for place, given in ((home, rows), (other, backwards)):
        correct(place, ask(place, given), given["positive"])
    one, same = (load_rows(collect(place)["rows"] / "rows").remove_columns("_id") for place in (home, other))
    assert one[:] == same[:]


def test_collecting_goes_on_wherever_it_was_killed(home):
    rows = table(1, 40)
    ids = ask(home, rows)
    correct(home, ids, rows["positive"])
    first = collect(home)
    key = manifest.read(first["rows"]).key
    (first["rows"] / "manifest.json").unlink()  # killed before the lap was complete
    with Store.open(home) as store, store.database.write() as connection:
        connection.execute(text("UPDATE feedback SET lap = NULL, held = NULL"))
    second = collect(home)
    assert second == first and manifest.read(second["rows"]).key == key
    with Store.open(home) as store, store.database.write() as connection:  # killed before feedback was marked
        connection.execute(text("UPDATE feedback SET lap = NULL, held = NULL"))
    correct(home, ask(home, table(2, 5)), table(2, 5)["positive"])  # comes too late for this lap
    assert collect(home) == first  # and killed after it: nothing was decided, so the lap is still the same
    assert sorted(entry[0] or 0 for entry in used(home).values()) == [0] * 5 + [1] * 40


def test_an_answer_that_makes_no_row_is_left_out_with_the_reason(home):
    rows = table(1, 30)
    ids = ask(home, rows)
    correct(home, ids, [*rows["positive"][:-1], {"nonsense": 1}])
    lap = collect(home)
    assert list(lap["left_out"]) == [ids[-1]] and lap["train"] + lap["held"] == 29
    assert used(home)[ids[-1]] == (1, False)


def test_a_row_that_cannot_be_stored_is_set_aside_and_the_lap_goes_on(home):
    rows = table(1, 30)
    correct(home, ask(home, rows), rows["positive"])
    facts = {"name": NAME, "version": 1, "answer": {"label": "yes"}}
    wrong = {
        "half": ({"x": 1.0, "y": 1.0}, "\ud800"),
        "halves": ({"x": "\ud800", "y": 1.0}, "yes"),
        "huge": ({"x": 10**400, "y": 1.0}, "yes"),
        "no row": ([1, 2], "yes"),
        "key": ({"x": 1.0, "y": 1.0, "\udfff": 1}, "yes"),
    }
    with Store.open(home) as store:
        for id, (row, correction) in wrong.items():
            store.add_feedback(id=id, row=row, correction=correction, **facts)
    lap = collect(home)
    assert lap["train"] + lap["held"] == 30 + ("key" not in lap["left_out"])
    assert set(lap["left_out"]) - {"key"} == set(wrong) - {"key"} and all(lap["left_out"].values())
    assert len(load_rows(lap["rows"] / "rows")) == lap["train"] + lap["held"]
    assert collect(home) == lap


def test_a_lap_that_helps_is_promoted_and_one_that_does_not_is_kept(home):
    rows = table(1, 240, turned=True)
    correct(home, ask(home, rows), rows["positive"])
    decided = lifecycle.improve(NAME, home=home)
    assert decided["decision"] == "promote" and verbs.champion(home, NAME) == 2
    entry = verbs.history(home, NAME)[-1]
    assert (
        entry["reason"]
        == decided["reason"]
        == f"{decided['wins']} wins, {decided['losses']} " + ("loss" if decided["losses"] == 1 else "losses")
    )
    compared = manifest.read_json(home / entry["evidence"]["rows"]["file"])["rows"]
    held = {id for id, (_, is_held) in used(home).items() if is_held}
    assert {row["id"] for row in compared["held"]} == held and len(compared["gate"]) > 20
    wins = sum(row["challenger"] > row["champion"] for row in compared["held"])
    assert wins == decided["wins"] > 2 * decided["losses"]

    noise = table(2, 30, turned=True)
    correct(home, ask(home, noise, version=2), np.random.default_rng(0).permutation(noise["positive"]).tolist())
    kept = lifecycle.improve(NAME, home=home)
    assert kept["decision"] == "keep" and verbs.champion(home, NAME) == 2
    assert len(manifest.read_json(home / kept["evidence"]["rows"]["file"])["rows"]["held"]) > len(held)
    assert [row["state"] for row in verbs.versions(home, NAME)] == ["was champion", "champion", "not promoted"]

    again = table(3, 10, turned=True)  # what the kept lap brought is brought again, with the new rows
    correct(home, ask(home, again, version=2), again["positive"])
    assert collect(home)["answers"] == 40

    assert verbs.rollback(home, NAME, None, "complaints")["champion"] == 1 == verbs.champion(home, NAME)
    assert verbs.promote(home, NAME, 2, "a mistake")["before"] == 1


def test_monitor_watches_traffic_and_notices_drift(home):
    folder = lifecycle.run_folder(home, NAME, 1)
    assert verbs.monitor(home, NAME, folder)["lines"][0].startswith("No requests")
    ask(home, table(5, 200))
    told = verbs.monitor(home, NAME, folder)
    assert told["requests"]["total"] == 200 and told["versions"] == {"@1": 1.0} and told["errors"] == 0
    assert told["latency_ms"] == {"p50": 2.0, "p95": 2.0}
    assert 0.5 < told["confidence"]["mean"] <= 1 and told["confidence"]["test"] is not None
    assert not told["drift"]["noticed"] and "no drift in 200 requests" in told["lines"]
    ask(home, table(6, 120, turned=True), noted=2)  # what another version answered says nothing of this one
    assert not verbs.monitor(home, NAME, folder)["drift"]["noticed"]
    ask(home, table(6, 120, turned=True))
    told = verbs.monitor(home, NAME, folder)
    assert 200 < told["drift"]["request"] <= 320 and told["drift"]["aspects"][0]["aspect"] == "y"
    assert any(line.startswith(f"Drift noticed at request {told['drift']['request']}: y") for line in told["lines"])


def test_registering_records_bundle_and_lap(home):
    (row,) = verbs.versions(home, NAME)
    assert row["champion"] and row["lap"] is None and (home / row["bundle"] / "manifest.json").is_file()
    assert row["sha256"] == manifest.hash_file(home / row["bundle"] / "manifest.json")


def test_a_label_nobody_knows_is_left_out_and_the_lap_goes_on(home):
    rows = table(1, 30)
    ids = ask(home, rows)
    correct(home, ids, [*rows["positive"][:-1], "maybe"])
    lap = collect(home)
    assert list(lap["left_out"]) == [ids[-1]] and "maybe" in lap["left_out"][ids[-1]]
    assert lap["train"] + lap["held"] == 29


def test_going_back_to_a_version_that_never_served_keeps_the_way_back(tmp_path):
    from feilun.parts.store.audit import champions_line

    entries = [("first", 1), ("promote", 3), ("rollback", 2), ("promote", 3), ("rollback", 2)]
    history = [{"action": action, "number": number} for action, number in entries]
    assert champions_line(history) == [1, 3, 2]
