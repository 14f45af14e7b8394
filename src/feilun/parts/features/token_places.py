"""Where the tokens of a text stand in it: what leads from tokens back to letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import numpy as np

from feilun.core.task import Rows
from feilun.parts.features.text import Text
from feilun.parts.ops.ragged import Ragged


@dataclass(frozen=True, kw_only=True)
class TokenPlaces:
    """One column of texts as ragged int32 (T, 2): of each token the first letter, and the one behind its last.

    text: the options of the text's own feature; fitted, all of it. A token that is no letter has (0, 0).
    """

    kind: ClassVar[str] = "token_places"

    columns: tuple[str, ...]
    text: Mapping[str, Any] = field(default_factory=dict)
    fitted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))

    def knowing(self, fitted: Mapping[str, Any]) -> TokenPlaces:
        """With the tokens of the text's own feature, if that is fitted. fitted: features by name."""
        found = tokens_of(self.columns[0], fitted)
        return self if found is None else replace(self, text=found, fitted=True)

    def fit(self, rows: Rows) -> TokenPlaces:
        """Learn the tokens."""
        found = Text(columns=self.columns, **self.text).fit(rows)
        return replace(self, text=found.to_json(), fitted=True)

    def encode(self, rows: Rows) -> Ragged:
        """int32 values (total, 2)."""
        places = self._tokens.places(rows)
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in places])]).astype(np.int64)
        values = np.array(list(chain.from_iterable(places)), np.int32).reshape(-1, 2)
        return Ragged(values, offsets)

    def to_json(self) -> dict[str, Any]:
        """The column, and the text's feature."""
        return {"columns": self.columns, "text": dict(self.text), "fitted": self.fitted}

    @cached_property
    def _tokens(self) -> Text:
        return Text(**self.text)


FEATURE = TokenPlaces


def tokens_of(column: str, fitted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a fitted feature of this column's text knows: pieces that others learn from other rows stand elsewhere."""
    found = (one for one in fitted.values() if isinstance(one, Text) and one.columns == (column,) and one.fitted)
    return next((one.to_json() for one in found), None)
