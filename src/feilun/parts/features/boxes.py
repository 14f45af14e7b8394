"""Boxes: any number of labelled boxes a picture, as shares of its width and height."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feilun.core.errors import DataError
from feilun.core.task import Rows
from feilun.parts.features.category import in_order, unknown_label
from feilun.parts.features.image_size import sizes
from feilun.parts.ops.ragged import Ragged

if TYPE_CHECKING:
    import torch

SEEN, LEAST = 0.25, 2.0  # share of a box that must stay in a moved picture, and pixels of its sides
SLACK = 1.0  # pixels a box may reach over the edge before it is an error; annotators round


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Two columns, pictures and their boxes, as ragged float32 (boxes, 5): label number, then x0, y0, x1, y1 in [0, 1].

    A row's boxes are `[{"label": str, "box": [x0, y0, x1, y1]}, ...]` in pixels, or that as JSON text; [] is none.
    """

    kind: ClassVar[str] = "boxes"
    names_the_question: ClassVar[bool] = True  # the labels are what is asked: they are taken from all rows

    columns: tuple[str, ...]  # (pictures, boxes)
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "labels", tuple(self.labels))

    @property
    def fitted(self) -> bool:
        """Whether `encode` can be called."""
        return bool(self.labels)

    @property
    def learns_from(self) -> tuple[str, ...]:
        """The columns that fitting reads: the pictures need not be loaded for it."""
        return self.columns[1:]

    def fit(self, rows: Rows) -> Boxes:
        """Learn the labels. Raises DataError if there is not one box."""
        column = self.columns[1]
        counts = Counter(str(box["label"]) for value in rows[column] for box in checked(column, value))
        if not counts:
            raise DataError(f"Column {column!r} has no box in any row. Add boxes.", where=column, got="no box")
        return replace(self, labels=in_order(counts))

    def encode(self, rows: Rows) -> Ragged:
        """float32 values (total, 5). Raises DataError for a bad box, an unknown label, or a box outside its picture."""
        picture, column = self.columns
        found = [checked(column, value) for value in rows[column]]
        places = {label: place for place, label in enumerate(self.labels)}
        parts = [np.zeros((0, 5), np.float32)]
        for boxes, size in zip(found, sizes(picture, rows[picture]), strict=True):
            for box in boxes:
                if box["label"] not in places:
                    raise unknown_label(column, box["label"], self.labels)
                _inside(column, box["box"], size)
            edges = np.array([box["box"] for box in boxes]).reshape(-1, 4) / np.tile(size, 2)
            numbers = np.array([places[box["label"]] for box in boxes]).reshape(-1, 1)
            parts.append(np.concatenate([numbers, edges.clip(0, 1)], axis=1).astype(np.float32))
        lengths = [len(boxes) for boxes in found]
        return Ragged(np.concatenate(parts), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def moved(
        self, values: torch.Tensor, length: torch.Tensor, matrices: torch.Tensor, height: int, width: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(boxes, how many) after their pictures moved: (B, most, 5) and (B,); what is mostly gone is no box any more.

        matrices: as `affine.draw` gives them.  height, width: of the encoded pictures.
        """
        import torch

        from feilun.parts.ops import affine

        whole = affine.boxes(values[..., 1:], matrices, height, width)
        cut = whole.clamp(0, 1)
        size, before = (cut[..., 2:] - cut[..., :2]), (whole[..., 2:] - whole[..., :2])
        there = torch.arange(values.shape[1]) < length[:, None]
        large = (size * torch.tensor([width, height]) >= LEAST).all(-1)
        stays = there & large & (size.prod(-1) >= SEEN * before.prod(-1))
        order = torch.argsort((~stays).to(torch.int8), dim=1, stable=True)
        made = torch.cat([values[..., :1], cut], -1) * stays[..., None]
        return made.gather(1, order[..., None].expand(made.shape)), stays.sum(1)

    def to_json(self) -> dict[str, Any]:
        """Columns and labels."""
        return asdict(self)


FEATURE = Boxes


def checked(column: str, value: Any) -> list[dict[str, Any]]:
    """A row's boxes, plain: `[{"label": str, "box": [float, float, float, float]}]`. Raises DataError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _wrong(column, value) from error
    if not isinstance(value, list | tuple | np.ndarray):
        raise _wrong(column, value)
    return [_checked(column, box) for box in value]


def _checked(column: str, box: Any) -> dict[str, Any]:
    if not isinstance(box, Mapping) or not isinstance(box.get("label"), str) or not box["label"]:
        raise _wrong(column, box)
    edges = box.get("box")
    if not isinstance(edges, list | tuple | np.ndarray) or len(edges) != 4:
        raise _wrong(column, box)
    if not all(isinstance(edge, int | float | np.number) and math.isfinite(edge) for edge in edges):
        raise _wrong(column, box)
    x0, y0, x1, y1 = map(float, edges)
    if x0 >= x1 or y0 >= y1:
        raise _wrong(column, box)
    return {"label": box["label"], "box": [x0, y0, x1, y1]}


def _inside(column: str, edges: Sequence[float], size: np.ndarray) -> None:
    width, height = float(size[0]), float(size[1])
    if min(edges) < -SLACK or edges[2] > width + SLACK or edges[3] > height + SLACK:
        raise DataError(
            f"A box of {column!r} is {list(edges)}, but its picture is only {width:g} x {height:g} pixels. "
            "Correct the box; boxes are [x0, y0, x1, y1] in pixels.",
            where=column,
            expected=f"edges within {width:g} x {height:g}",
            got=str(list(edges)),
            fix="correct the box",
        )


def _wrong(column: str, value: Any) -> DataError:
    shown = "missing" if value is None else f"{value!r:.80}"
    return DataError(
        f"Column {column!r} holds boxes, a list of {{'label': text, 'box': [x0, y0, x1, y1]}} in pixels with x0 < x1 "
        f"and y0 < y1; this row has {shown}. Correct it; a picture without any box has an empty list.",
        where=column,
        expected="[{'label': text, 'box': [x0, y0, x1, y1]}, ...]",
        got=shown,
        fix="correct the row",
    )
