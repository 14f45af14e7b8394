"""Opening a bundle: every hash verified, then the installed task over its graphs. Nothing in the folder is executed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover, yaml12
from feilun.core.recipe import Recipe
from feilun.parts.bundle import answering, checks, layout, onnx_runner, signature, state

if TYPE_CHECKING:
    from feilun.core.protocols import Feature, Runner
    from feilun.core.task import Json, Row, Task


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A verified model that answers rows without torch."""

    name: str
    version: int
    task: Task
    features: Mapping[str, Feature]
    state: dict[str, Any]
    recipe: Recipe
    run: Runner
    signature: Mapping[str, Mapping[str, Any]]  # input column -> {kind, example, ...}
    manifest: Mapping[str, Any]
    folder: Path

    @property
    def called(self) -> str:
        """Such as `my@3`."""
        return f"{self.name}@{self.version}"

    def predict(self, rows: Sequence[Row], **options: Any) -> list[Json]:
        """One answer per row, in order. Raises DataError naming the row, the column and the nearest known name.

        rows: a list of dicts, or a pandas or Arrow table.
        """
        return self.answered(rows, **options).answers

    def answered(self, rows: Sequence[Row], **options: Any) -> answering.Answered:
        """`.answers`, the same, and `.cut`, {row: {column: {"read": tokens, "of": tokens}}} of texts not read whole."""
        for method, arguments in (("to_pylist", ()), ("to_dict", ("records",))):  # Arrow, pandas
            if hasattr(rows, method):
                rows = getattr(rows, method)(*arguments)
        checks.rows(rows, self.signature)
        checks.options(options, self.task.options)
        if not len(rows):
            return answering.Answered(answers=[], cut={})
        return answering.answered(self.task, self.run, self.features, self.state, rows, **options)

    def judged(self, rows: Sequence[Row]) -> list[Json]:
        """What judging looks at: the answers, or how likely rows with their targets are, of a task with `foretell`."""
        return answering.answer_rows(self.task, self.run, self.features, self.state, rows, judged=True) if rows else []

    def example(self) -> Row:
        """One row that this model takes."""
        return signature.example(self.signature)


def load(folder: Path, variant: str | None = None, threads: int | Callable[[Task], int | None] | None = None) -> Bundle:
    """The bundle in this folder. variant: fp32 or int8, the chosen one where left out.  threads: of onnxruntime, which
    may depend on the task; None: all cores.

    Raises IntegrityError if any bit differs from what was packed, InputError if it is no bundle or of another schema.
    """
    folder = Path(folder)
    manifest = layout.read(folder)
    kinds, task = layout.read_features(folder), discover.task(manifest["task"])
    return Bundle(
        name=manifest["name"],
        version=manifest["version"],
        task=task,
        features={name: discover.feature(**facts) for name, facts in kinds.items()},
        state=state.load(folder),
        recipe=Recipe.model_validate(yaml12.load((folder / layout.RECIPE).read_text("utf-8"), layout.RECIPE).value),
        run=onnx_runner.OnnxRunner(folder, manifest, variant, threads(task) if callable(threads) else threads),
        signature=manifest["signature"],
        manifest=manifest,
        folder=folder,
    )
