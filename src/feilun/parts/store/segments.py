"""Checksummed append-only files: writing records, and reading them back from files that a crash or a bad disk left.

A record is MARK, the payload's length, CRC-32 of length and payload, payload (JSON in UTF-8). The byte 0xFF never
occurs in UTF-8, so after damage the next record is found by searching for MARK.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MARK = b"\xffFLR"
HEAD = struct.Struct("<4sII")


@dataclass(slots=True)
class Damage:
    """What reading had to leave out."""

    torn: int = 0  # cut off at the end of a file: the process was killed while writing
    damaged: int = 0  # bytes that are not what was written


def packed(record: Any) -> bytes:
    """One record as bytes. Half surrogate pairs, legal in JSON and not in UTF-8, are written as escapes."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
    payload = text.encode("utf-8", "backslashreplace")
    length = struct.pack("<I", len(payload))
    return HEAD.pack(MARK, len(payload), zlib.crc32(length + payload)) + payload


def paths(folder: Path) -> list[Path]:
    """Segments, oldest first."""
    return sorted(path for path in folder.glob("*.log") if path.stem.isdigit())


def payloads(content: bytes, damage: Damage) -> Iterator[bytes]:
    """The sound payloads of one segment; the rest is counted in `damage`."""
    start = 0
    while start < len(content):
        if content[start : start + 4] == MARK and start + HEAD.size <= len(content):
            _, length, checksum = HEAD.unpack_from(content, start)
            end = start + HEAD.size + length
            payload = content[start + HEAD.size : end]
            if end <= len(content) and zlib.crc32(content[start + 4 : start + 8] + payload) == checksum:
                yield payload
                start = end
                continue
        following = content.find(MARK, start + 1)
        if following < 0:
            damage.torn += 1
            return
        damage.damaged += 1
        start = following


def records(content: bytes, damage: Damage) -> list[dict[str, Any]]:
    """The sound records of one segment, in the order they were written."""
    return [json.loads(payload) for payload in payloads(content, damage)]


class Appender:
    """Writes records into one segment after another; every process has segments of its own. Used by one thread."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        existing = paths(folder)
        self.number = int(existing[-1].stem) + 1 if existing else 1  # of the segment written now or next
        self.is_dirty = False  # something may not be on disk yet
        self._folder, self._segment_bytes = folder, segment_bytes
        self._file: BinaryIO | None = None
        self._size_bytes = 0

    def append(self, contents: list[bytes]) -> None:
        """Hand packed records to the system. After an OSError the next call starts another segment."""
        try:
            for content in contents:
                if self._size_bytes >= self._segment_bytes:
                    self.close()
                self._opened().write(content)
                self._size_bytes += len(content)
                self.is_dirty = True
            if self._file is not None:
                self._file.flush()
        except OSError:
            self._abandon()
            raise

    def sync(self) -> None:
        """Force what was handed over onto the disk."""
        if self._file is not None and self.is_dirty:
            os.fsync(self._file.fileno())
        self.is_dirty = False

    def close(self) -> None:
        """Sync and close; a later append opens the next segment."""
        if self._file is None:
            return
        try:
            self._file.flush()
            self.sync()
        finally:
            self._abandon()

    def _opened(self) -> BinaryIO:
        while self._file is None:
            try:
                self._file = (self._folder / f"{self.number:08d}.log").open("xb")
            except FileExistsError:  # another process took this number
                self.number += 1
        return self._file

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            self.number, self._size_bytes, self.is_dirty = self.number + 1, 0, False
            with suppress(OSError):  # closing tries once more to write what the disk refused
                file.close()
