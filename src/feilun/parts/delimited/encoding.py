"""How a text file is encoded, and whether it is text at all."""

from __future__ import annotations

import codecs
from pathlib import Path

from feilun.core.errors import DataError

CHUNK_BYTES = 1 << 22
MIXED = 0.1  # share of lines in UTF-8 from which a file in another encoding was put together from two
SURE_LINES, SURE_SHARE = 2, 0.001  # lines that are surely UTF-8 from which it was, and their share of the others
SURE_BYTES = 6  # of letters in one such line, with which that one is enough
CALLED = {"gb18030": "GB18030 (Chinese)", "cp1252": "Windows-1252 (Western)"}
KNOWN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Word file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed (gzip)",
    b"SQLite format 3": "a SQLite database",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}


def of(path: Path, given: str | None = None) -> tuple[str, list[str]]:
    """(codec name, notes for the user). given: what the user says it is; it is checked, not guessed.

    Raises DataError if the file is empty, no text, holds a NUL byte, or lines of two encodings: the line is named.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if not head:
        raise DataError(f"{path} is empty. Give a file with a header line and rows.", where=str(path), fix="add rows")
    if given is not None:
        return _given(path, given), []
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _require(path, "utf-16")
        return "utf-16", [f"{path.name} is read as UTF-16."]
    wide = _without_mark(head)
    if wide:
        _require(path, wide)
        return wide, [f"{path.name} is read as UTF-16 without a byte order mark (data.encoding: {wide})."]
    _refuse_binary(path, head)
    if _decodes(path, "utf-8"):
        return "utf-8", []
    chinese = _looks_chinese(head)
    code = "gb18030" if chinese and _decodes(path, "gb18030") else "cp1252"
    _refuse_mixed(path, code, least=1 if chinese and code == "cp1252" else SURE_LINES)
    if not _decodes(path, code):
        raise DataError(f"{path} is neither UTF-8 nor GB18030 text. Save it as CSV in UTF-8.", where=str(path))
    said = f"{path.name} is not UTF-8: read as {CALLED[code]}. If letters look wrong, save it as UTF-8"
    return code, [f"{said}, or set data.encoding."]


def text_of(path: Path, given: str | None = None) -> str:
    """The whole text of a file, without a byte order mark; an empty file is empty text. Raises DataError like `of`."""
    content = path.read_bytes()
    if not content:
        return ""
    try:
        if given is None and b"\x00" not in content:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    return content.decode(of(path, given)[0]).removeprefix("\ufeff")


def guess(path: Path) -> str:
    """What a text file is taken for that is not UTF-8, in words; "" where nothing was guessed."""
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return CALLED.get(of(path)[0], "")  # UTF-16 says what it is
    return ""


def _given(path: Path, given: str) -> str:
    try:
        codec = codecs.lookup(given)
        codec.incrementaldecoder().decode(b"")  # codecs such as zlib are no encodings of text
        "".encode(given)
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"data.encoding is {given!r}, which is no encoding. Write utf-8, gb18030, utf-16, cp1252 or latin-1.",
            where="data.encoding",
            expected="utf-8, gb18030, utf-16, cp1252, latin-1, ...",
            got=given,
            fix="leave data.encoding out: it is found out",
        ) from error
    code = {"utf-8-sig": "utf-8", "iso8859-1": "latin-1"}.get(codec.name, codec.name)
    _require(path, code)
    return code


def _require(path: Path, code: str) -> None:
    """Raises DataError naming the line where the file is not of this encoding, or holds a NUL."""
    if _decodes(path, code):
        return
    line, column = _broken_at(path, code)
    raise DataError(
        f"{path}:{line}: byte {column} of this line is not {code}. Correct it, or set data.encoding to what it is.",
        where=f"{path}:{line}",
        expected=code,
        fix="correct the line, or set data.encoding",
    )


def _broken_at(path: Path, code: str) -> tuple[int, int]:
    """(line, byte in it) of the first byte that does not decode. Counted, not decoded twice: files may be large."""
    decoder, line, start = codecs.getincrementaldecoder(code)(), 1, 0
    with path.open("rb") as file:
        for raw_line in file:
            try:
                decoder.decode(raw_line)
            except UnicodeDecodeError as error:
                return line, max(0, error.start - start) + 1
            line += 1
    return line, 1


def _refuse_binary(path: Path, head: bytes) -> None:
    what = next((name for start, name in KNOWN.items() if head.startswith(start)), "")
    strange = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b" for byte in head)
    strange -= min(2, head.count(0))  # of a stray NUL the line is named
    if what or strange > len(head) / 100:
        raise DataError(
            f"{path} is not text but {what or 'binary data'}. Save the table as CSV in UTF-8, or as Parquet.",
            where=str(path),
            expected="text",
            got=what or "binary data",
            fix="save it as CSV in UTF-8",
        )


def _without_mark(head: bytes) -> str:
    """UTF-16 that lost its mark: every other byte of Latin letters and digits is zero."""
    even, odd = head[0:4096:2], head[1:4096:2]
    if len(odd) < 4 or head.startswith(tuple(KNOWN)):
        return ""
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in (even if shares[1] > shares[0] else odd))
    if max(shares) < 0.4 or min(shares) > 0.05 or printable < 0.4 * len(odd):
        return ""
    return "utf-16-le" if shares[1] > shares[0] else "utf-16-be"


def _decodes(path: Path, code: str) -> bool:
    """Whether the whole file is of this encoding. Raises DataError where it holds a NUL, which no text does."""
    decoder, chunks = codecs.getincrementaldecoder(code)(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                chunks += 1
                if code == "utf-8" and chunk.isascii() and b"\x00" not in chunk and not decoder.getstate()[0]:
                    continue  # most files, in a quarter of the time
                text = decoder.decode(chunk)
                if "\x00" in text:
                    raise _nul(path, _lines(path, chunks - 1) + text[: text.index("\x00")].count("\n") + 1)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines(path: Path, chunks: int) -> int:
    """How many lines end in the first chunks."""
    with path.open("rb") as file:
        return sum(file.read(CHUNK_BYTES).count(b"\n") for _ in range(chunks))


def _nul(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}:{line}: there is a NUL byte in this line, so the file is damaged or not text. Take it out, or save "
        "the table again as CSV in UTF-8.",
        where=f"{path}:{line}",
        expected="text",
        got="a NUL byte",
        fix="save it as CSV in UTF-8",
    )


def _refuse_mixed(path: Path, code: str, least: int) -> None:
    """Raises DataError if some lines are UTF-8 and others are not: read as either, some would be silently wrong.

    Lines in GB18030 or Windows-1252 may also happen to be UTF-8. Two bytes often are (女 in the one, ß“ in the other),
    and are then strange letters; what makes a line sure is told in `_surely`, and `least` such lines are enough.
    """
    good, bad, sure, first = 0, 0, 0.0, {"good": 0, "bad": 0}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.isascii():
                continue
            try:
                letters = _surely(line.decode("utf-8"), code)
            except UnicodeDecodeError:
                bad, kind = bad + 1, "bad"
            else:
                good, kind = good + 1, "good"
                sure += SURE_LINES if letters >= SURE_BYTES else bool(letters)
            first[kind] = first[kind] or number
    few = good < bad * (1.0 if code == "gb18030" else MIXED)
    if good == 0 or (few and sure < max(least, SURE_SHARE * bad)):
        return
    odd, rest = ("bad", "UTF-8") if good >= bad else ("good", CALLED[code])
    here = "not UTF-8" if odd == "bad" else "UTF-8"
    raise DataError(
        f"{path}:{first[odd]}: this line is {here} and the others are {rest}: the file mixes encodings "
        f"({min(good, bad)} of {good + bad} lines with such letters differ). Save all of it as UTF-8, or set "
        "data.encoding.",
        where=f"{path}:{first[odd]}",
        expected="one encoding",
        got=f"{good} lines in UTF-8 and {bad} lines not",
        fix="save the file as UTF-8",
    )


def _surely(text: str, code: str) -> int:
    """Bytes of letters that a line of this code would hardly have made by chance: those of three bytes or more.

    In GB18030 that takes three rare characters in a row (one word in 100,000, where 女 alone is the UTF-8 of a strange
    letter); in Windows-1252 letters of two bytes count as well, where they are those of Western Europe.
    """
    western = sum(2 for letter in text if "\u00a0" <= letter <= "\u017f") if code == "cp1252" else 0
    return western + sum(len(letter.encode()) for letter in text if letter >= "\u2000")


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
