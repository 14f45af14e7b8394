"""A strict reader of TensorBoard's event files, written from the format's description and nothing of ours."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

# Field numbers of tensorflow/core/util/event.proto and framework/summary.proto, with the type on the wire.
EVENT = {1: ("wall_time", "double"), 2: ("step", "varint"), 3: ("file_version", "bytes"), 5: ("summary", "bytes")}
EVENT[7] = ("session_log", "bytes")


def records(path: Path) -> list[bytes]:
    """The content of each record; ValueError for a byte that is not as it should be."""
    data, found = path.read_bytes(), []
    while data:
        if len(data) < 12:
            raise ValueError("cut off in a head")
        (length,), (check,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        whole = data[12 : 12 + length]
        if check != masked(data[:8]) or len(data) < 16 + length:
            raise ValueError("cut off, or a wrong checksum of a length")
        if struct.unpack("<I", data[12 + length : 16 + length])[0] != masked(whole):
            raise ValueError("a wrong checksum of a record")
        found.append(whole)
        data = data[16 + length :]
    return found


def events(path: Path) -> list[dict[str, Any]]:
    """{step, wall_time, file_version | start | points: {tag: value}} of each record."""
    found = []
    for record in records(path):
        event = {EVENT[number][0]: value for number, value in fields(record)}
        event["points"] = {}
        for _, value in fields(event.pop("summary", b"")):
            inside = dict(fields(value))
            event["points"][inside[1].decode()] = inside[2]
        event["start"] = dict(fields(event.pop("session_log", b""))).get(1) == 1
        found.append(event)
    return found


def points(folder: Path) -> list[tuple[int, str, float]]:
    """(step, tag, value) as TensorBoard shows them: the start of a session takes back points from its step on."""
    shown: list[tuple[int, str, float]] = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in events(path):
            if event["start"]:
                shown = [point for point in shown if point[0] < event["step"]]
            shown += [(event["step"], tag, value) for tag, value in event["points"].items()]
    return shown


def fields(message: bytes) -> list[tuple[int, Any]]:
    """(number, value) of each field of a protocol buffer."""
    found: list[tuple[int, Any]] = []
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        kind = key & 7
        if kind == 0:
            value, place = varint(message, place)
        elif kind == 2:
            length, place = varint(message, place)
            value, place = message[place : place + length], place + length
        else:
            form, size = {1: ("<d", 8), 5: ("<f", 4)}[kind]
            value, place = struct.unpack(form, message[place : place + size])[0], place + size
        found.append((key >> 3, value))
    return found


def varint(message: bytes, place: int) -> tuple[int, int]:
    """(the number, the place after it)."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def masked(data: bytes) -> int:
    """TFRecord's mask over a CRC-32C that is taken bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
