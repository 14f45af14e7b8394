"""Word files (docx): paragraphs by headings, read with the standard library; no bomb and no entity gets through.

Office Open XML: ECMA-376. What is counted are the bytes that come out, not those that the archive says it holds.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from pathlib import Path
from xml.parsers import expat

from feilun.stages.data.reading.documents.sections import LARGEST_BYTES, Outline, Section, UnreadableError, some

BODY, STYLES = "word/document.xml", "word/styles.xml"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main "
FALLBACK = "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"  # says again what was said
SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
HEADING = re.compile(r"(?:heading|überschrift|titre|标题|見出し)\s*(\d?)$", re.IGNORECASE)
OLD = b"\xd0\xcf\x11\xe0"  # a compound file: a .doc, or a docx under a password
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    LookupError,
    expat.ExpatError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


def read(path: Path) -> list[Section]:
    """A section for each heading. Raises UnreadableError for what is damaged, encrypted, a bomb, or has entities."""
    with path.open("rb") as file:
        if file.read(4) == OLD:
            raise UnreadableError("is encrypted, or a .doc of old: save it without a password as .docx")
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if BODY not in names:
                raise UnreadableError("is no Word file: it has no text part")
            styles = _Styles()
            if STYLES in names:
                styles.read(_content(archive, STYLES))
            body = _Body(styles.names)
            body.read(_content(archive, BODY))
    except BROKEN as error:
        raise UnreadableError(f"is damaged ({error})") from error
    return some(body.outline.close(), "has no text: its pages may be pictures")


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise UnreadableError(f"unpacks to more than {LARGEST_BYTES >> 20} MB of text, which no document has")
    return content


class _Reader:
    """Elements of Word's vocabulary, one after the other; a document type, and with it entities, is refused."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = _refuse
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._finish
        self.parser.CharacterDataHandler = self.text
        self.skipped = 0

    def read(self, content: bytes) -> None:
        """All of it."""
        self.parser.Parse(content, True)

    def begin(self, name: str, value: str) -> None:
        """name: of an element.  value: of its `val`, or its style's id."""

    def finish(self, name: str) -> None:
        """The element's end."""

    def text(self, data: str) -> None:
        """Letters."""

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.skipped += tag == FALLBACK
        name = _own(tag)
        if name and not self.skipped:
            plain = {_own(key): value for key, value in attributes.items()}
            self.begin(name, plain.get("val") or plain.get("styleId") or "")

    def _finish(self, tag: str) -> None:
        name = _own(tag)
        if name and not self.skipped:
            self.finish(name)
        self.skipped -= tag == FALLBACK


class _Styles(_Reader):
    """{id of a style: its name}."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}
        self.id = ""

    def begin(self, name: str, value: str) -> None:
        if name == "style":
            self.id = value
        elif name == "name" and self.id:
            self.names[self.id], self.id = value, ""


class _Body(_Reader):
    """Paragraphs with their styles."""

    def __init__(self, names: dict[str, str]) -> None:
        super().__init__()
        self.names, self.outline = names, Outline()
        self.open: list[list[str]] = []  # paragraphs; one in a text box stands inside another
        self.style, self.is_text = "", False

    def begin(self, name: str, value: str) -> None:
        if name == "p":
            self.open.append([])
            self.style = ""
        elif name == "pStyle":
            self.style = self.names.get(value, value)
        elif name in SPACES and self.open:
            self.open[-1].append(SPACES[name])
        self.is_text = name == "t"

    def finish(self, name: str) -> None:
        self.is_text = False
        if name != "p" or not self.open:
            return
        words, found = "".join(self.open.pop()), HEADING.match(self.style)
        if self.style.lower() == "title" or found:
            self.outline.heading(int(found[1] or 1) if found else 0, words)
        else:
            self.outline.paragraph(words)
        self.style = ""

    def text(self, data: str) -> None:
        if self.is_text and self.open and not self.skipped:
            self.open[-1].append(data)


def _own(name: str) -> str:
    """Without Word's namespace; empty for another one's."""
    for space in (WORD, STRICT):
        if name.startswith(space):
            return name.removeprefix(space)
    return ""


def _refuse(*told: object) -> None:
    raise UnreadableError("declares a document type, which Word files do not have; entities in one can fill the memory")
