"""The same store on PostgreSQL: turns, corrections and the audit hold with several connections and several stores."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from feilun.core.errors import DataError, InputError
from feilun.parts.store import Store


@pytest.fixture
def url(postgres: str) -> str:
    return postgres.replace("postgresql://", "postgresql+psycopg://")


def test_versions_feedback_and_audit(url: str) -> None:
    with Store.open(url) as store:
        for number in (1, 2):
            store.register("my", number, bundle=f"my/{number}", sha256=f"{number:064d}")
        store.promote("my", 2, reason="better")
        assert store.rollback("my", reason="worse") == store.champion("my") == 1

        def send(i, correction=1):
            entry = {"name": "my", "version": 1, "row": {"评": "\ud800\0"}, "answer": {}, "correction": correction}
            return store.add_feedback(id=str(i), **entry)

        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(send, range(200)))
        assert send(1) is False
        with pytest.raises(DataError, match="already corrected"):
            send(1, correction=2)
        store.mark_feedback({"1": True, "2": False}, lap=1)
        assert store.count_feedback("my") == {"total": 200, "waiting": 198}
        assert {row["id"]: row["held"] for row in store.feedback("my", lap=1)} == {"1": True, "2": False}
        assert store.check_key(store.add_key("phone")) == "user"
        assert store.verify_audit() == 6


def test_several_stores_take_turns(url: str) -> None:
    stores = [Store.open(url) for _ in range(4)]
    stores[0].register("turns", 1, bundle="turns/1", sha256="0" * 64)
    before = stores[0].verify_audit()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: stores[i % 4].promote("turns", 1, reason=str(i)), range(80)))
    assert stores[0].verify_audit() == before + 80
    for store in stores:
        store.close()


def test_what_does_not_open_is_told_without_the_password(url: str) -> None:
    for wrong, words in ((url + "x", "does not exist"), (url.replace("keeper", "nobody"), "authentication failed")):
        with pytest.raises(InputError, match=words) as caught:
            Store.open(wrong)
        assert "geheim" not in str(caught.value) + str(caught.value.to_json())
