"""Rows to answer: from every file that training reads, folders of pictures or texts, JSON text, or as they are."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core.errors import DataError, InputError, MissingExtraError
from feilun.core.recipe import Recipe
from feilun.parts.delimited import archive, encoding, npz, objects
from feilun.stages.deployment import typed_tables, windowed

if TYPE_CHECKING:
    from feilun.core.task import Row

BLOCK = 1024  # rows of Parquet read at a time
TABLES = (".csv", ".tsv", ".txt", ".data")  # as for training
PARQUET = (".parquet", ".pq")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
TEXTS = (".txt",)
_ENDINGS = {"image": PICTURES, "text": TEXTS}
FORMATS = (
    f"{', '.join(TABLES)}, .json, .jsonl, .parquet, .npz, one of these packed (.zip, .tar, .gz), a picture, or a "
    "folder of pictures or .txt files"
)


def rows_of(
    source: Any,
    signature: Mapping[str, Mapping[str, Any]],
    recipe: Recipe | None = None,
    told: dict[str, int] | None = None,
) -> Iterator[Row]:
    """Rows with the model's columns only, from a path, JSON text, one row, or an iterable of rows.

    recipe: how the training data was written, and which words mean that a value is missing.  told: gets what must be
    said of the rows, such as how many had a short window.
    """
    path = _path(source)
    if path is None:
        yield from _listed(objects.parsed(source, "the text given") if isinstance(source, str) else source)
        return
    place = _place(path)
    try:
        yield from _rows(place, signature, recipe or Recipe(), {} if told is None else told)
    except DataError as error:
        raise archive.renamed(error, place, str(path)) if place != path else error from error


def called(source: Any) -> str:
    """The file or folder that the rows come from, or nothing."""
    return str(_path(source) or "")


def label(source: Any, number: int, signature: Mapping[str, Mapping[str, Any]]) -> str:
    """How people find the row again: its number in the file, from 1 on, or the name of its picture or text."""
    named = names(source, signature)
    return named[number - 1] if named else f"row {number}"


def names(source: Any, signature: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The file of every row where each row is a file in a folder; else nothing."""
    path = _path(source)
    place = _place(path) if path is not None and path.exists() else None
    if place is None or not place.is_dir() or not _are_rows(place, signature):
        return []
    return [file.relative_to(place).as_posix() for file in _found(place, _ENDINGS[_only_kind(signature)])]


def notes(source: Any) -> list[str]:
    """What was guessed when the file was read."""
    path = _path(source)
    return encoding.of(path)[1] if path is not None and path.suffix.lower() in TABLES and path.is_file() else []


def _path(source: Any) -> Path | None:
    """Where the rows lie, or None for JSON text and for rows."""
    is_text = isinstance(source, str) and source.lstrip().startswith(("{", "["))
    return Path(source) if isinstance(source, str | Path) and not is_text else None


def _place(path: Path) -> Path:
    """The path, or what the archive there holds."""
    if not path.is_file():
        return path
    try:
        return archive.unpacked(path) if archive.is_archive(path) else path
    except PermissionError as error:
        raise _forbidden(path) from error


def _rows(
    path: Path, signature: Mapping[str, Mapping[str, Any]], recipe: Recipe, told: dict[str, int]
) -> Iterator[Row]:
    if path.is_dir() and not _are_rows(path, signature):
        path = _table_in(path) or path
    if path.is_dir() or path.suffix.lower() in PICTURES or _is_one_text(path, signature):
        yield from _files(path, signature, recipe)
        return
    window, found = recipe.data.window, _file(path, signature, recipe)
    if window is not None and window.column in signature:
        first = next(found, None)
        if first is not None and isinstance(first[1], Mapping) and window.column not in first[1]:
            plain = windowed.asked(signature, window)
            steps = [(place, _taken(row, plain, path, place)) for place, row in _file(path, plain, recipe)]
            found = windowed.rows(steps, recipe, window, path, told)
        elif first is not None:
            found = chain([first], found)
    for place, row in found:
        yield _taken(row, signature, path, place)


def _only_kind(signature: Mapping[str, Mapping[str, Any]]) -> str:
    """The kind of the only column, or nothing."""
    return str(next(iter(signature.values()))["kind"]) if len(signature) == 1 else ""


def _are_rows(folder: Path, signature: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the files of a folder are rows for a model of one picture or one text."""
    kind = _only_kind(signature)
    return kind in _ENDINGS and bool(_found(folder, _ENDINGS[kind]))


def _is_one_text(path: Path, signature: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether this is a text to answer and no table: a .txt for a model of one text, whose name it does not hold."""
    if path.suffix.lower() not in TEXTS or _only_kind(signature) != "text" or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(1 << 16)
    return next(iter(signature)).encode() not in first


def _file(
    path: Path, signature: Mapping[str, Mapping[str, Any]], recipe: Recipe
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, row) of everything in a file."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.", where=str(path), expected=FORMATS, fix="check the path")
    kind = path.suffix.lower()
    readers: dict[str, Callable[[], Iterator[Any]]] = {
        **dict.fromkeys(TABLES, lambda: typed_tables.rows(path, signature, recipe)),
        **dict.fromkeys(objects.ENDINGS, lambda: (row for _, row in objects.rows(path))),
        **dict.fromkeys(PARQUET, lambda: _parquet(path, list(signature))),
        ".npz": lambda: _arrays(path),
    }
    if kind not in readers:
        raise InputError(
            f"{path} is of no known kind; expected {FORMATS}. Save it as CSV in UTF-8.",
            where=str(path),
            expected=FORMATS,
            got=kind or "no ending",
            fix="save it as CSV in UTF-8",
        )
    try:
        for at, row in enumerate(readers[kind](), 1):
            yield f"row {at}", row
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} cannot be read as {error.encoding}: {error.reason} at byte {error.start}. Save it as UTF-8.",
            where=str(path),
            expected="UTF-8 text",
            fix="save it as UTF-8",
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} cannot be read: {error}. A closing quote may be missing; save it as CSV in UTF-8.",
            where=str(path),
            fix="save it as CSV in UTF-8",
        ) from error
    except PermissionError as error:
        raise _forbidden(path) from error


def _parquet(path: Path, columns: list[str]) -> Iterator[Any]:
    try:
        import pyarrow.parquet as parquet
        from pyarrow import ArrowInvalid
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow. Run: pip install 'feilun[train]'", fix="pip install 'feilun[train]'"
        ) from error
    try:
        table = parquet.ParquetFile(path)
        wanted = [name for name in table.schema_arrow.names if name in columns]
        for batch in table.iter_batches(BLOCK, columns=wanted):
            yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file: {error}", where=str(path)) from error


def _arrays(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of an NPZ file: the test rows where it has several splits."""
    splits, _ = npz.splits(path)
    columns, count = npz.columns(path, splits.get("test", splits["train"]))
    for at in range(count):
        yield {name: array[at] if npz.is_pictures(array) else _plain(array[at]) for name, array in columns.items()}


def _plain(value: Any) -> Any:
    value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return value.tolist() if hasattr(value, "tolist") else value


def _files(path: Path, signature: Mapping[str, Mapping[str, Any]], recipe: Recipe) -> Iterator[Row]:
    """A row for each picture or text, for a model that looks at one and nothing else."""
    kind = _only_kind(signature)
    if kind not in _ENDINGS:
        raise InputError(
            f"{path}: this model needs {', '.join(signature)}, not a single picture or text.",
            where=str(path),
            expected=", ".join(f"{name} ({facts['kind']})" for name, facts in signature.items()),
            fix="give a .csv or .jsonl with these columns",
        )
    endings = _ENDINGS[kind]
    found = _found(path, endings) if path.is_dir() else [path] if path.exists() else []
    if not found:
        what = "picture" if kind == "image" else ".txt file"
        raise InputError(f"There is no {what} at {path}.", where=str(path), expected=", ".join(endings))
    for file in found:
        try:
            content = file.read_bytes() if kind == "image" else encoding.text_of(file, recipe.data.encoding)
        except PermissionError as error:
            raise _forbidden(file) from error
        yield {next(iter(signature)): content}


def _found(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in endings and not path.name.startswith(".")
    )


def _table_in(folder: Path) -> Path | None:
    """The only table of a folder, such as one beside the pictures that it names."""
    kinds = (*TABLES, *objects.ENDINGS, *PARQUET, ".npz")
    tables = [file for file in folder.iterdir() if file.suffix.lower() in kinds and file.stem.lower() != "readme"]
    tables = [file for file in tables if file.suffix.lower() not in TEXTS and not file.name.startswith(".")]
    return tables[0] if len(tables) == 1 else None


def _taken(row: Any, signature: Mapping[str, Mapping[str, Any]], path: Path, place: str) -> Row:
    """The model's columns of a file's row; names of pictures become pictures."""
    if not isinstance(row, Mapping):
        raise DataError(f"{path}: {place} is {type(row).__name__}, not an object of columns.", where=f"{path} {place}")
    taken = {name: row[name] for name in signature if name in row}
    if len(taken) < len(signature):
        missing = [name for name in signature if name not in row]
        raise DataError(
            f"{path}: {place} has no column {', '.join(map(repr, missing))}. There are: "
            f"{', '.join(map(str, row))[:200]}.",
            where=f"{path} {place}",
            expected=", ".join(signature),
            got=", ".join(map(str, row))[:500],
            fix="add the column; leave cells empty where the value is not known",
        )
    for name, value in taken.items():
        if signature[name]["kind"] == "image" and isinstance(value, str) and value.lower().endswith(PICTURES):
            taken[name] = _picture(path, place, value)
    return taken


def _picture(path: Path, place: str, name: str) -> bytes:
    """A picture that a table names; it lies at or below the table's folder."""
    picture = path.parent / name
    if not picture.resolve().is_relative_to(path.parent.resolve()):
        raise DataError(
            f"{path}: {place} names {name}, which leads out of the table's folder. Put the picture beside the table.",
            where=f"{path} {place}",
            expected="a name below the table's folder",
            got=name,
            fix="put the picture beside the table",
        )
    if not picture.is_file():
        raise DataError(f"{path}: {place} names {name}, which is not there.", where=f"{path} {place}")
    return picture.read_bytes()


def _forbidden(path: Path) -> DataError:
    return DataError(
        f"{path} may not be read by this user. Change its permissions, or copy it.", where=str(path), fix="chmod u+r"
    )


def _listed(value: Any) -> Iterator[Any]:
    yield from [value] if isinstance(value, Mapping) else value if isinstance(value, Iterable) else [value]
