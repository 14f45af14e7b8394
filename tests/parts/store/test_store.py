"""Versions, champion, audit, keys and feedback of the store, on one process."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from feilun.core.errors import DataError, FeilunError, InputError, IntegrityError
from feilun.parts.store import StorageFull, Store
from feilun.parts.store.feedback import Writer


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path) as opened:
        yield opened


def register(store, *numbers, name="my"):
    for number in numbers:
        store.register(name, number, bundle=f"{name}/{number}/deployment/bundle", sha256=f"{number:064d}")


def feedback(store, id="a", correction="7", **other):
    entry = {"id": id, "name": "my", "version": 1, "row": {"x": 1}, "answer": {"label": "1"}, "correction": correction}
    return store.add_feedback(**{**entry, **other})


def test_first_version_becomes_champion_and_later_ones_do_not(store):
    assert store.champion("my") is None
    register(store, 1, 2)
    register(store, 5, name="other")
    assert store.champion("my") == 1 and store.champion("other") == 5
    assert [(row["number"], row["champion"]) for row in store.versions("my")] == [(1, True), (2, False)]
    assert [entry["action"] for entry in store.history("my")] == ["register", "first", "register"]


def test_registering_again_is_nothing_new_and_another_bundle_is_noted(store):
    register(store, 1)
    register(store, 1)
    assert len(store.history("my")) == 2
    store.register("my", 1, bundle="my/1/deployment/bundle", sha256="f" * 64)
    assert store.versions("my")[0]["sha256"] == "f" * 64
    assert "made again" in store.history("my")[-1]["reason"]


def test_promotion_records_reason_and_evidence(store):
    register(store, 1, 2)
    store.promote("my", 2, reason="12 wins, 2 losses", evidence={"wins": 12, "losses": 2}, actor="ada")
    entry = store.history("my")[-1]
    assert store.champion("my") == 2
    assert (entry["action"], entry["number"], entry["reason"], entry["actor"]) == (
        "promote",
        2,
        "12 wins, 2 losses",
        "ada",
    )
    assert entry["evidence"] == {"wins": 12, "losses": 2}


def test_promoting_an_unknown_version_changes_nothing(store):
    register(store, 1)
    with pytest.raises(InputError, match="There are: my@1"):
        store.promote("my", 9, reason="no")
    assert store.champion("my") == 1 and len(store.history()) == 2


def test_rollback_goes_back_one_champion_at_a_time(store):
    register(store, 1, 2, 3)
    store.promote("my", 2, reason="better")
    store.promote("my", 3, reason="better")
    assert store.rollback("my", reason="bad week") == 2
    assert store.rollback("my", reason="still bad") == 1
    with pytest.raises(InputError, match="no earlier champion"):
        store.rollback("my", reason="again")
    assert store.champion("my") == 1
    store.promote("my", 3, reason="fixed")
    assert store.rollback("my", reason="no") == 1


def test_audit_shows_a_changed_and_a_missing_entry(store, tmp_path):
    register(store, 1, 2)
    store.promote("my", 2, reason="better")
    assert store.verify_audit() == 4
    for damage in ("UPDATE audit SET reason='worse' WHERE sequence=2", "DELETE FROM audit WHERE sequence=2"):
        with sqlite3.connect(tmp_path / "store.db") as connection:
            connection.execute(damage)
        connection.close()
        with pytest.raises(IntegrityError, match="audit entry"):
            store.verify_audit()


def test_same_feedback_twice_is_kept_once_and_a_different_one_is_refused(store):
    assert feedback(store) is True
    assert feedback(store) is False
    with pytest.raises(DataError, match="already corrected"):
        feedback(store, correction="8")
    assert [row["correction"] for row in store.feedback("my")] == ["7"]


def test_a_refused_correction_does_not_spoil_the_group_it_came_with(store):
    feedback(store, id="0", correction="7")
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(feedback, store, id=str(i % 40), correction="8") for i in range(80)]
        errors = [call.exception() for call in calls]
    assert all(isinstance(error, DataError) for error in errors[::40]) and sum(map(bool, errors)) == 2
    assert len(store.feedback("my")) == 40


def test_feedback_survives_odd_values(store):
    row = {"列": "评论", "half": "\ud800", "nul": "a\0b", "deep": [[None, True, 1e308]]}
    feedback(store, row=row, correction=["多", "个"])
    kept = store.feedback("my")[0]
    assert kept["row"] == row and kept["correction"] == ["多", "个"]
    with pytest.raises(DataError, match="not JSON"):
        feedback(store, id="b", row={"x": float("nan")})
    deep: list = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(DataError, match="not JSON"):
        feedback(store, id="c", row=deep)


def test_marking_feedback_keeps_the_first_lap(store):
    for id in "abc":
        feedback(store, id=id)
    assert store.count_feedback("my") == {"total": 3, "waiting": 3}
    store.mark_feedback({"a": True, "b": False}, lap=1)
    store.mark_feedback({"b": True, "c": False}, lap=2)
    assert [(row["id"], row["lap"], row["held"]) for row in store.feedback("my")] == [
        ("a", 1, True),
        ("b", 1, False),
        ("c", 2, False),
    ]
    assert [row["id"] for row in store.feedback("my", lap=1)] == ["a", "b"]
    assert store.feedback("my", lap=None) == [] and store.count_feedback("my")["waiting"] == 0


def test_many_callers_share_commits(store, monkeypatch):
    commits = []
    commit = Writer._commit
    monkeypatch.setattr(Writer, "_commit", lambda self, group: (commits.append(len(group)), commit(self, group))[1])
    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(lambda i: feedback(store, id=str(i)), range(320)))
    assert sum(commits) == 320 and len(commits) < 160


def test_a_full_database_says_so_and_acknowledges_nothing(store, tmp_path):
    register(store, 1)
    feedback(store)
    with store.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    from sqlalchemy import event

    limit = f"PRAGMA max_page_count = {pages + 1}"  # SQLite then answers exactly as on a full disk
    event.listen(store.database.engine, "begin", lambda connection: connection.exec_driver_sql(limit))
    with pytest.raises(StorageFull, match="no room") as caught:
        feedback(store, id="big", row={"x": "x" * 50_000})
    assert caught.value.exit_code == 2 and "free" in caught.value.fix
    assert [row["id"] for row in store.feedback("my")] == ["a"]


def test_keys_open_only_what_they_are_for(store, tmp_path):
    token = store.add_key("phone", "user")
    assert store.check_key(token) == "user"
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert store.check_key(wrong) is None and store.check_key("") is None and store.check_key("fl_x_y") is None
    assert token.split("_", 2)[2].encode() not in (tmp_path / "store.db").read_bytes()
    (listed,) = store.keys()
    assert listed["label"] == "phone" and not {"hash", "salt"} & set(listed)
    store.revoke_key(listed["id"])
    assert store.check_key(token) is None
    with pytest.raises(InputError, match="no key"):
        store.revoke_key("nothing")
    with pytest.raises(InputError, match="role"):
        store.add_key("x", "root")


def test_a_store_of_another_version_is_refused(tmp_path):
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE meta SET value='99'")
    connection.close()
    with pytest.raises(IntegrityError, match="schema 99"):
        Store.open(tmp_path)


def test_what_is_not_a_database_or_folder_is_said(tmp_path):
    (tmp_path / "store.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(IntegrityError, match="damaged"):
        Store.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="another folder"):
        Store.open(tmp_path / "file" / "home")
    with pytest.raises(FeilunError, match=r"pip install|URL"):
        Store.open("oracle+nothing://x")


def test_a_committed_promotion_is_on_disk_with_full_sync(store):
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert journal == ("wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "truncate")


def test_evidence_is_json(store):
    register(store, 1)
    store.record("keep", "my", 1, "could be chance", {"p": 0.4}, actor="improve")
    assert json.loads(json.dumps(store.history("my")[-1]))["evidence"] == {"p": 0.4}
