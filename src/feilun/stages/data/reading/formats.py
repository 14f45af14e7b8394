"""Files and folders: what each is, by its looks and its name, and which reader takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from feilun.core.errors import DataError
from feilun.core.recipe import Data
from feilun.parts.delimited import archive
from feilun.stages.data.reading import (
    coco_file,
    conll_file,
    csv_file,
    hub,
    idx_folder,
    image_folder,
    json_file,
    npz_file,
    parquet_file,
    pictures,
    raw,
    squad_file,
    text_file,
    text_folder,
    together,
    voc_folder,
    yolo_folder,
)
from feilun.stages.data.reading.documents import folder

READERS: dict[str, Callable[[Path, Data, raw.Most], raw.Raw]] = {
    "csv": csv_file.read,
    "jsonl": json_file.read,
    "parquet": parquet_file.read,
    "npz": npz_file.read,
    "image_folder": image_folder.read,
    "text_folder": text_folder.read,
    "idx": idx_folder.read,
    "conll": conll_file.read,
    "text": text_file.read,
    "squad": squad_file.read,
    "documents": folder.read,
    "coco": coco_file.read,
}
TABLES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".parquet": "parquet", ".pq": "parquet"}
TABLES |= dict.fromkeys((".conll", ".bio", ".iob", ".bioes"), "conll")
TABLES |= {".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl", ".npz": "npz"}
PACKED = (".zip", ".gz", ".bz2", ".xz", ".tgz", ".tar", ".tbz2", ".txz")
GIVEN = {"train": ("train",), "validation": ("validation", "val", "valid", "dev"), "test": ("test",)}
_AS_CSV = "save it as CSV in UTF-8"
LATER = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), ("an Excel workbook or a spreadsheet", _AS_CSV)),
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"), ("a database", "write data.source: sqlite:///FILE, and data.query")
    ),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), ("a pickle, which can run code", "save it as Parquet")),
    **dict.fromkeys((".7z", ".rar"), ("an archive", "pack it as zip or tar.gz")),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".npy"), ("an array file", "save it with numpy.savez")),
    **dict.fromkeys((".dta", ".sav", ".sas7bdat", ".feather", ".arrow", ".orc"), ("a table", "save it as Parquet")),
    **dict.fromkeys((".docx", ".pdf"), ("a document", "set data.format: documents, or save its table as CSV in UTF-8")),
}


def parts_of(path: Path, data: Data) -> dict[str, raw.Part]:
    """{"train": reader, and "test", "validation" where the path has them}. Raises DataError."""
    file = file_of(path)
    if file != path:
        with raw.opened(file):
            inside, root = archive.member(file, path.relative_to(file))
        return called(lambda: parts_of(inside, data), root, str(file))
    if path.is_dir():
        return _folder(path, data)
    kind = _format(path, data)
    if kind == "archive":
        with raw.opened(path):
            inner = archive.unpacked(path)
        if inner.is_file() and _packed(inner):
            raise _nested(path, inner)
        return called(lambda: parts_of(inner, data), inner, str(path))
    if kind == "npz":
        splits, notes = npz_file.splits(path)
        return {split: partial(_npz, path, arrays, tuple(notes)) for split, arrays in splits.items()}
    reader = READERS[kind]
    return {"train": lambda data, most: reader(path, data, most)}


def file_of(path: Path) -> Path:
    """The path, or the archive that it leads into, such as photos.zip of photos.zip/train.csv. Raises DataError."""
    if path.exists():
        return path
    for parent in path.parents:
        if parent.is_file() and _packed(parent):
            return parent
    raise raw.missing(path)


def called(make: Callable[[], dict[str, raw.Part]], inner: Path, name: str) -> dict[str, raw.Part]:
    """Parts whose rows and errors speak of `name` and not of the place in the cache where it lies."""

    def renamed(part: raw.Part, data: Data, most: raw.Most) -> raw.Raw:
        whole: raw.Raw = _told(lambda: part(data, most), inner, name)
        folder = whole.folder or Path(whole.name).parent
        return replace(whole, name=whole.name.replace(str(inner), name), folder=folder)

    return {split: partial(renamed, part) for split, part in _told(make, inner, name).items()}


def _told(make: Callable[[], Any], inner: Path, name: str) -> Any:
    try:
        return make()
    except DataError as error:
        raise archive.renamed(error, inner, name) from error


def _folder(path: Path, data: Data) -> dict[str, raw.Part]:
    with raw.opened(path):
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    if data.format == "idx" or any(idx_folder.find(path, part, "images") for part in idx_folder.PARTS.values()):
        there = {split: part for split, part in idx_folder.PARTS.items() if idx_folder.find(path, part, "images")}
        return {split: partial(_idx, path, part) for split, part in (there or {"train": "train"}).items()}
    if hub.is_saved(path):
        return hub.saved_parts(path)
    boxed = _boxed(path, entries)
    if boxed:
        return boxed
    named = _named(entries)
    if "train" in named:
        found = {split: parts_of(entry, data) for split, entry in named.items()}
        return {split: parts.get(split) or next(iter(parts.values())) for split, parts in found.items()}
    kind = data.format if data.format in ("image_folder", "text_folder", "documents") else _kind_of_folder(path)
    if kind:
        reader = READERS[kind]
        return {"train": lambda data, most: reader(path, data, most)}
    tables = [entry for entry in entries if _is_table(entry) and entry.stem.lower() != "readme"]
    if len(tables) == 1:
        return parts_of(tables[0], data)
    alike = [entry for entry in tables if TABLES.get(entry.suffix.lower()) == data.format]
    if alike:
        return {"train": partial(together.read, READERS[str(data.format)], alike)}
    raise _nothing_in(path, entries, tables)


def _boxed(path: Path, entries: list[Path]) -> dict[str, raw.Part]:
    """Pictures with boxes: COCO files, or a folder as Pascal VOC or YOLO have it; {} where it is none."""
    files = [one for one in entries if one.suffix.lower() == ".json" and coco_file.is_coco(one)]
    named = _named(files)
    if "train" in named or len(files) == 1:
        return {split: partial(_by, coco_file.read, file) for split, file in (named or {"train": files[0]}).items()}
    if voc_folder.is_voc(path):
        lists: Mapping[str, list[str] | None] = voc_folder.splits(path) or {"train": None}
        return {split: partial(_by, voc_folder.read, path, names=names) for split, names in lists.items()}
    if yolo_folder.is_yolo(path):
        places = yolo_folder.splits(path)
        return {split: partial(_by, yolo_folder.read, path, places=place) for split, place in places.items()}
    return {}


def _by(reader: Callable[..., raw.Raw], path: Path, data: Data, most: raw.Most, **more: Any) -> raw.Raw:
    return reader(path, data, most, **more)


def _kind_of_folder(path: Path) -> str:
    """Pictures, or texts of classes; a folder of a table and the pictures that it names is neither."""
    tables = [entry for entry in path.iterdir() if _is_table(entry) and entry.stem.lower() != "readme"]
    if image_folder.has_pictures(path):
        return "" if len(tables) == 1 and _names_pictures(tables[0]) else "image_folder"
    return "text_folder" if text_folder.has_texts(path) and not tables else ""


def _names_pictures(table: Path) -> bool:
    with raw.opened(table), table.open("rb") as file:
        head = file.read(1 << 16).lower()
    return any(suffix.encode() in head for suffix in pictures.SUFFIXES)


def _idx(path: Path, part: str, data: Data, most: raw.Most) -> raw.Raw:
    return idx_folder.read(path, data, most, part)


def _npz(path: Path, arrays: dict[str, str], notes: tuple[str, ...], data: Data, most: raw.Most) -> raw.Raw:
    return npz_file.read(path, data, most, arrays, notes)


def _format(path: Path, data: Data) -> str:
    suffix = path.suffix.lower()
    if suffix not in LATER and _packed(path):
        return "archive"
    if data.format is not None:
        if data.format not in READERS:
            raw.require([data.format], READERS, "data.format", "format")
        return data.format
    with raw.opened(path), path.open("rb") as file:
        head = file.read(squad_file.HEAD_BYTES)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"SQLite format 3"):
        suffix = ".db"
    if suffix in LATER:
        what, fix = LATER[suffix]
        fix = fix.replace("FILE", path.name)
        raise DataError(
            f"{path} is {what}, which is not read. Please {fix}.",
            where=str(path),
            expected="csv, jsonl, parquet, npz or an archive of these",
            got=suffix,
            fix=fix,
        )
    if suffix == ".json" and squad_file.is_squad(head):
        return "squad"
    return "coco" if suffix == ".json" and coco_file.is_coco(path) else TABLES.get(suffix, "csv")


def _packed(path: Path) -> bool:
    with raw.opened(path):
        return archive.is_archive(path)


def _is_table(entry: Path) -> bool:
    suffixes = [suffix.lower() for suffix in entry.suffixes[-2:]]
    return entry.is_file() and bool(suffixes) and (suffixes[-1] in TABLES or _is_packed_table(suffixes))


def _is_packed_table(suffixes: list[str]) -> bool:
    return len(suffixes) == 2 and suffixes[1] in (".gz", ".bz2", ".xz") and suffixes[0] in TABLES


def _named(entries: Iterable[Path]) -> dict[str, Path]:
    """{split: entry} of files or folders called train, validation (val, valid, dev) and test."""
    found: dict[str, Path] = {}
    for entry in entries:
        usable = entry.is_dir() or _is_table(entry) or entry.suffix.lower() in PACKED
        stem = entry.name.partition(".")[0].lower() if usable and entry.is_file() else entry.name.lower()
        for split, words in GIVEN.items():
            if usable and stem in words:
                found.setdefault(split, entry)
    return found


def _nothing_in(path: Path, entries: list[Path], tables: list[Path]) -> DataError:
    names = ", ".join(entry.name for entry in (tables or entries)[:10]) or "nothing"
    if tables:
        kind = TABLES.get(tables[0].suffix.lower(), "csv")
        fix = f"name one of them in data.source, such as {tables[0]}, or call them train and test; data.format: {kind} "
        fix += "reads all of that kind as one table"
    else:
        fix = "give a table, or a folder with a folder of pictures or .txt files per class"
    return DataError(f"{path} holds {names}: it is not clear what to read. Please {fix}.", where=str(path), fix=fix)


def _nested(path: Path, inner: Path) -> DataError:
    return DataError(
        f"{path} is not read: {inner.name} in it is an archive, too. Unpack it once.",
        where=str(path),
        got=inner.name,
        fix="unpack it once",
    )
