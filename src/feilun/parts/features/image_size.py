"""Width and height of pictures as they came: what leads from shares of a picture back to its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from feilun.core.task import Rows
from feilun.parts.features.image import opened


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """One column of pictures as float32 (N, 2): width and height in pixels, the picture standing upright."""

    kind: ClassVar[str] = "image_size"
    fitted: ClassVar[bool] = True  # nothing to learn

    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))

    def fit(self, rows: Rows) -> ImageSize:
        """Itself."""
        return self

    def encode(self, rows: Rows) -> np.ndarray:
        """float32 (N, 2). Raises DataError for what is no picture."""
        return sizes(self.columns[0], rows[self.columns[0]])

    def to_json(self) -> dict[str, Any]:
        """The column."""
        return asdict(self)


FEATURE = ImageSize


def sizes(column: str, values: Sequence[Any]) -> np.ndarray:
    """float32 (N, 2): width and height of each picture."""
    return np.array([opened(column, value).size for value in values], dtype=np.float32).reshape(-1, 2)
