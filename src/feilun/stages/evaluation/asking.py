"""The trained model as it is asked when judging: rows or encoded arrays in, answers out, one column disturbed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from feilun.parts.bundle.answering import answer_encoded, answer_rows, by_row, encode, input_features
from feilun.parts.ops.ragged import take

if TYPE_CHECKING:
    from torch import nn

    from feilun.core.protocols import Runner
    from feilun.core.recipe import Recipe
    from feilun.core.task import Features, Json, Rows, State, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Everything an answer needs."""

    task: Task
    recipe: Recipe
    run: Runner
    features: Features
    state: State
    networks: Mapping[str, nn.Module] = field(default_factory=dict)

    def answers(self, rows: Rows) -> list[Json]:
        """One per row."""
        return answer_rows(self.task, self.run, self.features, self.state, rows, judged=True)

    def inputs(self) -> Features:
        """The features that exist when serving; where likelihoods are judged, all."""
        return self.features if self.task.foretell else input_features(self.task, self.features)

    def encoded(self, rows: Rows) -> dict[str, Any]:
        """{input feature: array or Ragged}."""
        return encode(self.inputs(), rows)

    def answers_to(self, arrays: Mapping[str, Any], rows: Rows | None = None) -> list[Json]:
        """One per row of encoded inputs, rows of like length together. rows: for what only raw rows tell."""
        answers = answer_encoded(self.task, self.run, self.features, self.state, arrays, judged=True)
        if self.task.finish is None or self.task.foretell is not None or rows is None:
            return answers
        return [self.task.finish(row, one, self.features) for row, one in zip(by_row(rows), answers, strict=True)]

    def shuffled(self, arrays: Mapping[str, Any], rows: Rows, column: str, order: np.ndarray) -> list[Json]:
        """Answers to the rows with this column's values dealt anew; only features that read it are encoded again."""
        dealt = {**rows, column: [rows[column][place] for place in order]}
        changed = {}
        for name, feature in self.inputs().items():
            if set(feature.columns) == {column}:
                changed[name] = take(arrays[name], order)
            elif column in feature.columns:
                changed[name] = feature.encode(dealt)
        return self.answers_to({**arrays, **changed}, dealt)

    def read(self) -> set[str]:
        """All columns that `inputs` read."""
        return {column for feature in self.inputs().values() for column in feature.columns}

    def columns(self) -> list[str]:
        """The input columns, in the recipe's order."""
        read = self.read()
        named = [column for column in self.recipe.inputs if column in read]
        return named or sorted(read)


def part(rows: Rows, places: np.ndarray) -> Rows:
    """These rows."""
    return {column: [values[int(place)] for place in places] for column, values in rows.items()}
