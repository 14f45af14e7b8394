"""Corrections from users: acknowledged after their commit is on disk, many callers sharing one commit."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from feilun.core.errors import DataError, FeilunError
from feilun.parts.store.database import Database
from feilun.parts.store.schema import FEEDBACK

GROUP = 256  # most corrections in one commit
JSON_FIELDS = ("row", "answer", "correction")
Item = tuple[dict[str, Any], "Future[bool]"]


class Writer:
    """One thread that writes what many callers bring, a group per commit; started by the first of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, entry: Mapping[str, Any]) -> bool:
        """Returns once committed: True if new, False if the very same correction was there before."""
        values, future = _encoded(entry), Future[bool]()
        with self._lock:
            if self._closed:
                raise FeilunError("The store is closed.", where="feedback")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="feedback", daemon=True)
                self._thread.start()
            self._waiting.put((values, future))
        return future.result()

    def close(self) -> None:
        """Finish what was brought, then stop."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _run(self) -> None:
        while True:
            group, is_last = self._group()
            if group:
                self._commit(group)
            if is_last:
                return

    def _group(self) -> tuple[list[Item], bool]:
        """Everything that waits now, at least one; and whether the end mark was among it."""
        group: list[Item] = []
        item = self._waiting.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP:
                return group, False
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, group: list[Item]) -> None:
        """One transaction for all; each caller hears of it after the commit, or hears why not."""
        try:
            with self._database.write() as connection:
                verdicts = [_settled(lambda entry=entry: _add(connection, entry)) for entry, _ in group]  # type: ignore[misc]
        except BaseException as error:
            for _, future in group:
                future.set_exception(error)
            return
        for (_, future), verdict in zip(group, verdicts, strict=True):
            if isinstance(verdict, DataError):
                future.set_exception(verdict)
            else:
                future.set_result(verdict)


def listed(connection: Connection, name: str, lap: int | Literal["all"] | None) -> list[dict[str, Any]]:
    """Feedback in order of arrival: all, of one lap, or (None) not yet used in a lap."""
    query = select(FEEDBACK).where(FEEDBACK.c.name == name).order_by(FEEDBACK.c.sequence)
    if lap is None:
        query = query.where(FEEDBACK.c.lap.is_(None))
    elif lap != "all":
        query = query.where(FEEDBACK.c.lap == lap)
    rows = connection.execute(query).mappings()
    return [{**row, **{field: json.loads(row[field]) for field in JSON_FIELDS}} for row in rows]


def mark(connection: Connection, ids: Mapping[str, bool], lap: int) -> None:
    """Used in this lap; {id: held}. What an earlier lap used keeps that lap's number."""
    for held in (False, True):
        chosen = [key for key, value in ids.items() if value is held]
        for start in range(0, len(chosen), 500):  # SQLite takes at most 999 values in one statement of old builds
            part = FEEDBACK.c.id.in_(chosen[start : start + 500])
            connection.execute(update(FEEDBACK).where(part, FEEDBACK.c.lap.is_(None)).values(lap=lap, held=held))


def count(connection: Connection, name: str) -> dict[str, int]:
    """{total, waiting}: corrections so far, and those no lap has used yet."""
    query = select(func.count(), func.count(FEEDBACK.c.lap)).where(FEEDBACK.c.name == name)
    total, used = connection.execute(query).one()
    return {"total": total, "waiting": total - used}


def _encoded(entry: Mapping[str, Any]) -> dict[str, Any]:
    try:
        # Escaped to ASCII: half a surrogate pair from a client is legal JSON, but no database takes it as text.
        texts = {field: json.dumps(entry[field], allow_nan=False) for field in JSON_FIELDS}
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"Feedback for {entry['id']} is not JSON: {error}. Send numbers, texts, lists and objects only.",
            where=str(entry["id"]),
            got=str(error),
            fix="send JSON",
        ) from error
    return {**entry, **texts, "created": round(time.time(), 3)}


def _settled(act: Callable[[], bool]) -> bool | DataError:
    try:
        return act()
    except DataError as error:
        return error


def _add(connection: Connection, entry: Mapping[str, Any]) -> bool:
    known = connection.execute(select(FEEDBACK.c.correction).where(FEEDBACK.c.id == entry["id"])).scalar()
    if known is None:
        last = connection.execute(select(func.coalesce(func.max(FEEDBACK.c.sequence), 0))).scalar_one()
        connection.execute(insert(FEEDBACK).values(**entry, sequence=last + 1))
        return True
    if json.loads(known) == json.loads(entry["correction"]):
        return False
    before, now = _readable(known), _readable(entry["correction"])
    raise DataError(
        f"Prediction {entry['id']} was already corrected to {before}; {now} was not saved.",
        where=str(entry["id"]),
        expected=before,
        got=now,
        fix="one prediction takes one correction",
    )


def _readable(text: str) -> str:
    """JSON without escapes, but for half surrogate pairs, which no terminal can show."""
    return json.dumps(json.loads(text), ensure_ascii=False).encode(errors="backslashreplace").decode()
