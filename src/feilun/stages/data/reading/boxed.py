"""Pictures with their boxes: a table of both, whatever form the boxes came in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from feilun.core.errors import DataError
from feilun.stages.data.reading import picture_files, pictures, raw

IMAGE, BOXES, FILE = "image", "boxes", "file"
BOX = pa.struct([("label", pa.string()), ("box", pa.list_(pa.float64()))])


def table(
    where: Path, found: Sequence[tuple[Path, list[dict[str, Any]]]], most: raw.Most, notes: Sequence[str]
) -> raw.Raw:
    """Columns image (bytes), boxes and file (its name), a row a picture; one without boxes has an empty list.

    found: (picture, [{label, box: [x0, y0, x1, y1] in pixels}]).
    Raises DataError where there is no picture, or no box.
    """
    if not found:
        raise DataError(f"{where} names no picture. Add pictures.", where=str(where), fix="add pictures")
    if not any(boxes for _, boxes in found):
        raise DataError(f"{where} has no box in any picture. Add boxes.", where=str(where), fix="add boxes")
    shown = found if most.pictures is None else found[: most.pictures]
    columns = {
        IMAGE: picture_files.read([path for path, _ in shown]),
        BOXES: pa.array([boxes for _, boxes in shown], pa.list_(BOX)),
        FILE: pa.array([path.stem for path, _ in shown]),
    }
    kinds, told = {IMAGE: "image"}, tuple(notes)
    return raw.of(pa.table(columns), str(where), kinds=kinds, target=BOXES, rows=len(found), notes=told)


def beside(folders: Sequence[Path]) -> dict[str, Path]:
    """{name of the file, and without its ending: its path} of all pictures in these folders; the first of equals."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() in pictures.SUFFIXES and not path.name.startswith("."):
                found.setdefault(path.name, path)
                found.setdefault(path.stem, path)
    return found


def missing(where: Path, names: Sequence[str], looked: Sequence[Path]) -> DataError:
    """Pictures that labels name and that are nowhere."""
    folders = ", ".join(f"{folder.name}/" for folder in looked)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return DataError(
        f"{where} names pictures that are not there: {shown}. They were looked for in {folders}.",
        where=str(where),
        expected="the pictures that it names",
        got=shown,
        fix=f"put them into {looked[0]}",
    )
