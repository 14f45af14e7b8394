"""The prediction log: what was asked and answered, written behind the request's back, found again by id.

A record is {id, at (seconds since 1970), name, version, row, answer, latency_s} and what else is known, such as error.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feilun.parts.store import segments
from feilun.parts.store.segments import Appender, Damage

SLACK = 16  # segments that other processes may open between two of ours
_ID = re.compile(r"([0-9a-f]{8})-[0-9a-f]{24}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Records, oldest first, and how many are missing: dropped (queue was full), torn (killed), damaged (bad bytes)."""

    records: list[dict[str, Any]]
    dropped: int
    torn: int
    damaged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Memory and file sizes. Records that do not fit the queue are dropped and counted, never waited for."""

    queue_records: int = 10_000
    queue_bytes: int = 64 * 2**20
    recent_records: int = 10_000
    recent_bytes: int = 64 * 2**20
    segment_bytes: int = 16 * 2**20
    sync_s: float = 1.0  # a power cut loses about this much; a killed process only what is queued


@dataclass(slots=True)
class _Counts:
    dropped: int = 0
    written: int = 0
    failed: int = 0
    queued_bytes: int = 0
    recent_bytes: int = 0
    reported: int = 0  # dropped records that the log itself already mentions


class PredictionLog:
    """Open for writing; `read(folder)` needs no open log. One per process and name, shared by its threads."""

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._queue: deque[tuple[dict[str, Any], int]] = deque()
        self._recent: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()
        self._counts = _Counts()
        self._appender = Appender(folder, self._limits.segment_bytes)
        self._is_closing = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def new_id(self) -> str:
        """An id for a prediction. It names the segment the record will be in or shortly after, so `find` is quick."""
        return f"{self._appender.number:08x}-{secrets.token_hex(12)}"

    def append(self, record: Mapping[str, Any], size_bytes: int = 1024) -> bool:
        """Takes microseconds and never waits for the disk; False if the queue is full and the record was dropped.

        record: JSON with an `id`; not changed by the caller afterwards.  size_bytes: about its size as JSON.
        """
        kept, limits, counts = dict(record), self._limits, self._counts
        with self._lock:
            self._remember(kept, size_bytes)
            is_full = len(self._queue) >= limits.queue_records or counts.queued_bytes + size_bytes > limits.queue_bytes
            if is_full or self._is_closing:
                counts.dropped += 1
                return False
            self._queue.append((kept, size_bytes))
            counts.queued_bytes += size_bytes
        if not self._wake.is_set():
            self._wake.set()
        return True

    def recent(self, id: str) -> dict[str, Any] | None:
        """The record, if it is among the newest that are kept in memory."""
        with self._lock:
            found = self._recent.get(id)
        return found[0] if found else None

    def find(self, id: str) -> dict[str, Any] | None:
        """The record, from memory or from disk. An id that `new_id` never made costs nothing."""
        return self.recent(id) or find(self.folder, id, self._limits)

    def read(self, newest: int | None = None) -> Reading:
        """What is on disk by now."""
        return read(self.folder, newest)

    def stats(self) -> dict[str, int]:
        """{queued, written, dropped, failed}; failed: the disk refused them."""
        with self._lock:
            counts, queued = self._counts, len(self._queue)
            return {
                "queued": queued,
                "written": counts.written,
                "dropped": counts.dropped,
                "failed": counts.failed,
            }

    @property
    def is_failing(self) -> bool:
        """Whether the disk refused the newest records. Until it takes some again, `find` knows only recent ones."""
        return self._is_failing

    def close(self) -> None:
        """Write what is queued, sync, stop."""
        with self._lock:
            self._is_closing = True
        self._wake.set()
        self._thread.join()

    def _remember(self, record: dict[str, Any], size_bytes: int) -> None:
        counts, limits = self._counts, self._limits
        self._recent[str(record["id"])] = (record, size_bytes)
        counts.recent_bytes += size_bytes
        while len(self._recent) > limits.recent_records or counts.recent_bytes > limits.recent_bytes:
            _, (_, freed) = self._recent.popitem(last=False)
            counts.recent_bytes -= freed

    def _run(self) -> None:
        synced, sync_s = time.monotonic(), self._limits.sync_s
        is_last = False
        while not is_last:
            self._wake.wait(timeout=sync_s if self._appender.is_dirty else None)
            self._wake.clear()
            is_last = self._is_closing
            self._write(self._batch())
            if is_last or time.monotonic() - synced >= sync_s:
                self._sync(is_last)
                synced = time.monotonic()

    def _batch(self) -> list[dict[str, Any]]:
        """Everything queued, and a note of what had to be dropped since the last one."""
        with self._lock:
            batch = [record for record, _ in self._queue]
            self._queue.clear()
            self._counts.queued_bytes = 0
            lost = self._counts.dropped - self._counts.reported
            self._counts.reported += lost
        return [*batch, {"note": "dropped", "count": lost, "at": round(time.time(), 3)}] if lost else batch

    def _write(self, batch: list[dict[str, Any]]) -> None:
        """What cannot be written is counted, and the server goes on: answers matter more than their log."""
        contents = [content for content in map(_packed, batch) if content is not None]
        try:
            self._appender.append(contents)
            written = len(contents)
            self._is_failing = self._is_failing and not contents
        except OSError:
            written = 0
            self._is_failing = True
        with self._lock:
            self._counts.written += written
            self._counts.failed += len(batch) - written

    def _sync(self, is_last: bool) -> None:
        try:
            if is_last:
                self._appender.close()
            else:
                self._appender.sync()
        except OSError:
            self._appender.is_dirty = False
            self._is_failing = True


def read(folder: Path, newest: int | None = None) -> Reading:
    """The newest so many records, or all, oldest first; with a count of what is missing. Never raises for damage."""
    found: list[list[dict[str, Any]]] = []
    damage, count = Damage(), 0
    for path in reversed(segments.paths(folder)):
        found.append(segments.records(path.read_bytes(), damage))
        count += sum("id" in record for record in found[-1])
        if newest is not None and count >= newest:
            break
    every = [record for part in reversed(found) for record in part]
    records = [record for record in every if "id" in record]
    return Reading(
        records=records if newest is None else records[max(0, len(records) - newest) :],
        dropped=sum(record.get("count", 0) for record in every if record.get("note") == "dropped"),
        torn=damage.torn,
        damaged=damage.damaged,
    )


def find(folder: Path, id: str, limits: Limits | None = None) -> dict[str, Any] | None:
    """The record with this id on disk: looked for where the id was made and in the few segments after it."""
    form = _ID.fullmatch(id)
    if form is None:
        return None
    limits, wanted = limits or Limits(), id.encode()
    first = int(form[1], 16)
    last = first + SLACK + limits.queue_bytes // limits.segment_bytes  # what a full queue can fill
    for path in segments.paths(folder):
        if not first <= int(path.stem) <= last:
            continue
        content = path.read_bytes()
        found = segments.records(content, Damage()) if wanted in content else []
        match = next((record for record in found if record.get("id") == id), None)
        if match is not None:
            return match
    return None


def _packed(record: dict[str, Any]) -> bytes | None:
    try:
        return segments.packed(record)
    except (ValueError, TypeError, RecursionError):
        return None
