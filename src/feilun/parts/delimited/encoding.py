"""How a text file is encoded, and whether it is text at all."""

from __future__ import annotations

import codecs
from pathlib import Path

from feilun.core.errors import DataError

CHUNK_BYTES = 1 << 22
KNOWN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed (gzip)",
    b"SQLite format 3": "a SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def of(path: Path) -> tuple[str, list[str]]:
    """(codec name, notes for the user). Raises DataError if the file is empty or no text."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not head:
        raise DataError(f"{path} is empty. Give a file with a header line and rows.", where=str(path), fix="add rows")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", []
    _refuse_binary(path, head)
    if _decodes(path, "utf-8"):
        return "utf-8", []
    code = "gb18030" if _looks_chinese(head) and _decodes(path, "gb18030") else "cp1252"
    if not _decodes(path, code):
        raise DataError(f"{path} is neither UTF-8 nor GB18030 text. Save it as CSV in UTF-8.", where=str(path))
    label = {"gb18030": "GB18030 (Chinese)", "cp1252": "Windows-1252 (Western)"}[code]
    return code, [f"{path.name} is not UTF-8: read as {label}. If letters look wrong, save it as UTF-8."]


def _refuse_binary(path: Path, head: bytes) -> None:
    what = next((name for start, name in KNOWN.items() if head.startswith(start)), "")
    strange = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b" for byte in head)
    if what or b"\x00" in head or strange > len(head) / 100:
        raise DataError(
            f"{path} is not text but {what or 'binary data'}. Save the table as CSV in UTF-8, or as Parquet.",
            where=str(path),
            expected="text",
            got=what or "binary data",
            fix="save it as CSV in UTF-8",
        )


def _decodes(path: Path, code: str) -> bool:
    decoder = codecs.getincrementaldecoder(code)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _looks_chinese(head: bytes) -> bool:
    """Common Chinese is two high bytes after each other; in Western text a high byte stands alone among letters."""
    place = pairs = singles = 0
    while place < len(head) - 1:
        if head[place] < 0x80:
            place += 1
        elif head[place + 1] >= 0x80:
            pairs, place = pairs + 1, place + 2
        else:
            singles, place = singles + 1, place + 1
    return pairs > singles
