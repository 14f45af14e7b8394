"""What `data.documents` names: folders and files of documents, and tables of passages, as one list of passages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover
from feilun.core.errors import DataError, RecipeError
from feilun.core.manifest import hash_json
from feilun.stages.data.alike import hashing
from feilun.stages.data.reading import formats, raw, sources
from feilun.stages.data.reading.documents import folder, passages
from feilun.stages.data.reading.documents.folder import COLUMNS, DOCUMENT, PASSAGE, PLACE

if TYPE_CHECKING:
    from feilun.core.protocols import Say
    from feilun.core.recipe import Recipe

CALLED = {PASSAGE: (PASSAGE, "context", "text"), DOCUMENT: (DOCUMENT, "title"), PLACE: (PLACE, "page")}
Passage = tuple[str, str, str]  # document, place, passage
SEEN, PIECE = 500, 40  # rows whose passages are looked for in the documents, by pieces of so many letters


def check(recipe: Recipe, base: Path) -> None:
    """Before any work. Raises RecipeError for a task that reads no documents, DataError for a missing folder."""
    if not recipe.data.documents:
        return
    if not discover.task(str(recipe.task)).documents:
        raise RecipeError(
            f"data.documents is given, and task {recipe.task} answers from its inputs alone. Take it out, or set task: "
            "question_answering.",
            where="data.documents",
            expected="task question_answering",
            got=str(recipe.task),
            fix="take data.documents out",
        )
    for name in recipe.data.documents:
        formats.file_of(sources.place(base, name))


def read(recipe: Recipe, base: Path, say: Say, asked: Sequence[Any] = ()) -> dict[str, list[str]]:
    """{document, place, passage} of all of them, a passage that stands twice once. Says what could not be read.

    asked: passages that test rows ask about; those that none of the documents holds are told.
    """
    found: dict[str, Passage] = {}
    for name in recipe.data.documents:
        path = sources.place(base, name)
        rows, notes = _documents(path, recipe) if path.is_dir() or folder.is_document(path) else _table(path, recipe)
        for note in notes:
            say.line(note)
        for row in rows:
            found.setdefault(row[2], row)
    say.line(f"{len(found):,} passages of {len({row[0] for row in found.values()}):,} documents.")
    strange = _strange("\n".join(found), asked)
    if strange:
        say.line(
            f"{strange:.0%} of the test rows ask about a passage that none of the documents holds: what is answered "
            "there counts as wrong. Name their own file under data.documents too, or take the scores as no measure of "
            "your documents."
        )
    return {name: [row[place] for row in found.values()] for place, name in enumerate(COLUMNS)}


def fingerprint(recipe: Recipe, base: Path) -> str:
    """A hash of everything that they hold."""
    hashes = []
    for name in recipe.data.documents:
        path = formats.file_of(sources.place(base, name))
        with raw.opened(path):
            hashes.append(hashing.of_path(path))
    return hash_json(hashes)


def _strange(held: str, asked: Sequence[Any]) -> float:
    """The share of these passages of which nothing is held: none of three pieces, however it is spaced."""
    known = _squeezed(held)
    texts = [_squeezed(str(one)) for one in asked[:: max(1, len(asked) // SEEN)] if one]
    pieces = [[text[len(text) * at // 4 :][:PIECE] for at in range(3)] for text in texts]
    return sum(not any(one in known for one in some) for some in pieces) / max(1, len(texts))


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _documents(path: Path, recipe: Recipe) -> tuple[Sequence[Passage], Sequence[str]]:
    found = folder.passages_of(path, recipe.data.encoding)
    return found.rows, found.notes


def _table(path: Path, recipe: Recipe) -> tuple[Sequence[Passage], Sequence[str]]:
    """Rows of a table that has a column of passages, cut where they are long."""
    parts = formats.parts_of(path, recipe.data.model_copy(update={"format": None}))
    made: list[Passage] = []
    notes: list[str] = []
    for part in parts.values():
        whole = part(recipe.data.model_copy(update={"format": None, "limit": None}), raw.Most())
        names = {
            wanted: next((one for one in called if one in whole.table.column_names), "")
            for wanted, called in CALLED.items()
        }
        if not names[PASSAGE]:
            there = ", ".join(whole.table.column_names[:20])
            raise DataError(
                f"{path} has no column of passages. Call it passage, context or text; there are: {there}.",
                where=str(path),
                expected="a column called passage, context or text",
                got=there,
                fix="rename the column",
            )
        empty = [None] * whole.table.num_rows
        columns = {wanted: whole.table.column(one).to_pylist() if one else empty for wanted, one in names.items()}
        notes += whole.notes
        for text, document, place in zip(*(columns[name] for name in (PASSAGE, DOCUMENT, PLACE)), strict=True):
            made += [(str(document or path.name), str(place or ""), one) for one in passages.cut(str(text or ""))]
    return made, notes
