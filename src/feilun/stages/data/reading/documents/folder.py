"""A folder of documents as passages: what cannot be read is named and left aside; if nothing can, that is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from feilun.core.errors import DataError, FeilunError, InputError
from feilun.core.recipe import Data
from feilun.parts.delimited import encoding
from feilun.stages.data.reading import raw
from feilun.stages.data.reading.documents import passages, pdf_file, plain_text, web_page, word_file
from feilun.stages.data.reading.documents.sections import LARGEST_BYTES, Section, UnreadableError

DOCUMENT, PLACE, PASSAGE = "document", "place", "passage"
COLUMNS = (DOCUMENT, PLACE, PASSAGE)
TEXTS: Mapping[str, Callable[[Path, str | None], list[Section]]] = {
    **dict.fromkeys((".txt", ".text"), plain_text.read_text),
    **dict.fromkeys((".md", ".markdown"), plain_text.read_markdown),
    **dict.fromkeys((".html", ".htm", ".xhtml"), web_page.read),
}
FILES: Mapping[str, Callable[[Path], list[Section]]] = {".pdf": pdf_file.read, ".docx": word_file.read}
SUFFIXES = (*TEXTS, *FILES)
NAMED = 20  # documents that are named one by one where they cannot be read


@dataclass(slots=True)
class Found:
    """Passages of documents so far, and what must be said of others."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_document(path: Path) -> bool:
    """Whether this file's name is one of a document."""
    return path.suffix.lower() in SUFFIXES


def read(path: Path, data: Data, most: raw.Most) -> raw.Raw:
    """Columns document, place, passage of a folder or of one document. Raises InputError if there is no text in it."""
    found = passages_of(path, data.encoding)
    shown = found.rows[: most.rows]
    columns = {name: pa.array([row[place] for row in shown], pa.string()) for place, name in enumerate(COLUMNS)}
    return raw.of(
        pa.table(columns),
        str(path),
        kinds={PASSAGE: "text"},
        rows=len(found.rows),
        notes=tuple(found.notes),
    )


def passages_of(path: Path, code: str | None = None) -> Found:
    """Of all documents below this folder, in the order of their names. code: encoding of text files, if it is said."""
    with raw.opened(path):
        every = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    files = [file for file in every if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    known = [file for file in files if is_document(file)]
    found = Found()
    if len(known) < len(files):
        others = Counter(file.suffix.lower() or "no ending" for file in files if not is_document(file))
        listed = ", ".join(f"{suffix} ({count})" for suffix, count in others.most_common(5))
        found.notes.append(
            f"{path.name}: {len(files) - len(known):,} files left aside, no documents by their names: {listed}."
        )
    unread, guessed = list[str](), dict[str, list[str]]()
    for file in known:
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        if not path.is_file() and not file.resolve().is_relative_to(path.resolve()):
            unread.append(f"{name} is a link out of the folder")
            continue
        try:
            sections = _sections(file, code)
        except UnreadableError as error:
            unread.append(f"{name} {error}")
            continue
        if how := _guess(file, code):
            guessed.setdefault(how, []).append(name)
        found.rows += [(name, section.place, one) for section in sections for one in passages.cut(section.text)]
    if not found.rows:
        raise _nothing(path, unread)
    found.notes += [
        f"Not UTF-8, read as {how}: {', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}. If letters look "
        "wrong, save them as UTF-8, or set data.encoding."
        for how, names in guessed.items()
    ]
    found.notes += [f"Not read: {one}." for one in unread[:NAMED]]
    if len(unread) > NAMED:
        found.notes.append(f"Not read: {len(unread) - NAMED:,} more documents.")
    return found


def _sections(file: Path, code: str | None) -> list[Section]:
    """Raises UnreadableError; InputError where a package is missing."""
    with raw.opened(file):
        size = file.stat().st_size
    if not size:
        raise UnreadableError("is empty")
    if size > LARGEST_BYTES:
        raise UnreadableError(f"has {size / 1e6:,.0f} MB; a document may have {LARGEST_BYTES / 1e6:.0f}: cut it")
    suffix = file.suffix.lower()
    try:
        with raw.opened(file):
            return TEXTS[suffix](file, code) if suffix in TEXTS else FILES[suffix](file)
    except DataError as error:
        raise UnreadableError(f"is no text that can be read ({error})") from error


def _guess(file: Path, code: str | None) -> str:
    """What the text of a document was taken for; "" where it says so itself, or the recipe does."""
    suffix = file.suffix.lower()
    told = code is not None or suffix not in TEXTS
    return "" if told or (TEXTS[suffix] is web_page.read and web_page.declared(file)) else encoding.guess(file)


def _nothing(path: Path, unread: list[str]) -> FeilunError:
    told = "; ".join(unread[:NAMED])
    why = f"Not read: {told}." if unread else f"It holds no file that ends in {', '.join(SUFFIXES)}."
    return InputError(
        f"{path} has no document with text. {why}",
        where=str(path),
        expected="txt, md, html, pdf or docx files with text",
        got=told[:300] or "none",
        fix="put documents with text into it",
    )
