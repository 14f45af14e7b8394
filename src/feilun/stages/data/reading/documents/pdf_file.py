"""PDF files: the text of every page, by pypdf, which is an extra."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feilun.core.errors import InputError
from feilun.stages.data.reading.documents.sections import Section, UnreadableError, some

EXTRA = "pip install 'feilun[documents]'"
MOST_PAGES = 10_000


def read(path: Path) -> list[Section]:
    """A section for each page. Raises UnreadableError where none can be had, InputError without pypdf."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import DependencyError
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path} is a PDF, and reading it needs the package {error.name}, which is not here. Type {EXTRA}, or "
            "leave PDF files out of the folder.",
            where=str(path),
            fix=EXTRA,
        ) from error
    with _quiet():
        try:
            reader = PdfReader(path)
            if reader.is_encrypted and not reader.decrypt(""):
                raise UnreadableError("is encrypted: save it without a password")
            if len(reader.pages) > MOST_PAGES:
                raise UnreadableError(f"has more than {MOST_PAGES:,} pages: cut it")
            found = [Section(f"page {number}", page.extract_text()) for number, page in enumerate(reader.pages, 1)]
        except UnreadableError:
            raise
        except (ModuleNotFoundError, DependencyError) as error:  # for one way of encrypting
            raise UnreadableError("is encrypted: save it without a password") from error
        except Exception as error:  # a damaged file makes the library raise whatever its place leads to
            raise UnreadableError(f"is damaged ({error})") from error
    return some(found, "has no text: its pages are pictures. Let a program read them (OCR), and save its text")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's remarks on files that are a little wrong; what it cannot read, it raises."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
