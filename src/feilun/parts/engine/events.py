"""TensorBoard event files, written without TensorBoard: `events.out.tfevents.*`, one point a record."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

PREFIX = "events.out.tfevents"
VERSION = b"brain.Event:2"  # from this version on readers heed the start of a session
POLYNOMIAL = 0x82F63B78  # of CRC-32C, reversed (Castagnoli 1993)
START = 1  # tensorflow.SessionLog.START


class EventFile:
    """A new file in the folder. A training that goes on begins another one: readers then drop the points that the
    earlier files have from the first repeated step on, and a last record that a kill cut off.

    Every record is handed to the system at once, so that a kill loses at most the one being written; nothing waits
    for the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: BinaryIO | None = None

    def begin(self, step: int) -> None:
        """step: made so far. Readers take files in the order of their names, so this one's number is the highest."""
        numbers = [int(path.name.split(".")[3]) for path in self.folder.glob(f"{PREFIX}.*")]
        number = max([int(time.time()), *(before + 1 for before in numbers)])
        self.file = (self.folder / f"{PREFIX}.{number:010d}.feilun").open("xb", buffering=0)
        self._write(_field(3, VERSION))
        self._write(_number(2, step + 1) + _field(7, _number(1, START)))

    def note(self, step: int, values: Mapping[str, float]) -> None:
        """One point of several curves."""
        points = b"".join(_field(1, _field(1, tag.encode()) + _float(2, value)) for tag, value in values.items())
        self._write(_number(2, step) + _field(5, points))

    def end(self, *, finished: bool) -> None:
        """Close the file. It reads the same whether training finished or was stopped."""
        if self.file is not None:
            self.file.close()

    def _write(self, what: bytes) -> None:
        """One record of a TFRecord file: length and event, each followed by its masked CRC-32C."""
        if self.file is None:
            return
        event = _double(1, time.time()) + what
        length = struct.pack("<Q", len(event))
        record = length + _mask(crc32c(length)) + event + _mask(crc32c(event))
        try:
            if self.file.write(record) != len(record):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.file.name)
        except OSError:
            self.file.close()
            raise


def crc32c(data: bytes) -> int:
    """CRC-32C of RFC 3720: `crc32c(b"123456789") == 0xE3069283`."""
    state = 0xFFFFFFFF
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def _row(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(map(_row, range(256)))


def _mask(crc: int) -> bytes:
    """Rotated and shifted by a constant, so that a CRC over data that holds CRCs stays good: TFRecord's rule."""
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


# The fields of protocol buffers that tensorflow.Event, Summary and SessionLog need: a key, then the value.
def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _number(number: int, value: int) -> bytes:
    return _key(number, 0) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _key(number, 1) + struct.pack("<d", value)


def _float(number: int, value: float) -> bytes:
    return _key(number, 5) + struct.pack("<f", value)


def _field(number: int, content: bytes) -> bytes:
    return _key(number, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that another byte follows."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
