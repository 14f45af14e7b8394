"""The contract of a task: a frozen record of plain functions, one record per file in `tasks/`.

A task's file imports without torch (only `build`, `objective` and `graphs` reach for it, inside), so the same file
answers in production. Words used below:

rows      a sequence of rows by column: `{column: [value, ...]}` (a `datasets.Dataset` slice is exactly that)
row       one row as a dict `{column: value}`
arrays    `{feature name: ndarray (N, ...) or Ragged}`, the encoded rows; the names are the batch names
batch     `{name: Tensor}`: gathered arrays, ragged ones padded with 0, plus `<name>_length`, plus noise
features  `{feature name: fitted Feature}`
recipe    the resolved `core.recipe.Recipe`
run       a `core.protocols.Runner`: `run(graph, **arrays) -> {output: ndarray}`, torch or onnxruntime behind it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from feilun.core.protocols import Feature, Runner
    from feilun.core.recipe import Recipe

Json: TypeAlias = Any  # what `json.dumps` takes
Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = Mapping[str, Sequence[Any]]
Features: TypeAlias = "Mapping[str, Feature]"
State: TypeAlias = dict[str, Any]  # JSON values and numpy arrays; saved as state.json + safetensors
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """One exportable piece of the networks.

    module: forward(**inputs) -> {output: Tensor}.  inputs: an example batch, named as the module's arguments.
    axes: {input or output name: {axis: axis name}}; every axis that may change when serving.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    axes: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A score over answers, in one of two forms.

    rows: one value per row, the score is their mean (then rows can be compared in pairs).
    statistic: a function of row numbers (int array) giving the score of those rows, for scores that are not means.
    Lower is better where `better` is "lower".  unit "%" prints 0.914 as 91.4 %.
    """

    rows: np.ndarray | None = None
    statistic: Callable[[np.ndarray], float] | None = None
    better: str = "higher"
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One picture for report and console: `svg` markup, or png bytes; `where` is a section of the report."""

    title: str
    where: str
    svg: str = ""
    png: bytes = b""
    caption: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What the system must know about a kind of problem. Order of fields = the order of the loop."""

    # data
    summary: str
    example: Callable[[int], list[Row]]  # seed -> the tiny built-in data set (`data: {source: builtin:<task>}`)
    example_recipe: Mapping[str, Any]  # recipe keys that go with it: inputs, target, model, train, ... (small, < 15 s)
    features: Callable[[Recipe], dict[str, Feature]]  # unfitted; the data stage fits them on training rows only
    reads: Mapping[str, str] = field(default_factory=dict)  # kind of an input -> the feature that reads it here
    targets: tuple[str, ...] = ("target",)  # feature names that do not exist when serving; all others are inputs
    identity: Callable[[Recipe], tuple[str, ...]] | None = None  # columns that make two rows the same; None: all inputs
    defaults: Mapping[str, Any] = field(default_factory=dict)  # measured recipe defaults of this task

    # training
    build: Callable[[Recipe, Features], dict[str, nn.Module]]  # {player: network}
    objective: Callable[..., Tensor]  # (networks, batch, player, loss=None where `losses` are named) -> per row (B,)
    losses: tuple[str, ...] = ()  # of parts/engine/losses.py that train.loss may name; the first is the task's own
    examples: Callable[[Mapping[str, Any], Recipe], tuple[dict[str, Any], np.ndarray]] | None = None
    # ^ arrays -> (arrays of examples, row number of each example): windows, tiles, packing. None: an example is a row
    turns: tuple[str, ...] = ("main",)  # which player learns at step t: turns[t % len(turns)]
    # a player called "reference" takes no turn: it is what main is when training begins, and stays so
    noise: Callable[[Recipe], Mapping[str, Shape]] | None = None  # shapes per example of what the engine draws, N(0, 1)
    early_stop: bool = True
    outputs: Mapping[str, str] = field(default_factory=dict)  # for distillation: categorical | binary | real
    private_players: tuple[str, ...] = ("main",)

    # answering
    graphs: Callable[[Mapping[str, nn.Module], Mapping[str, Tensor]], dict[str, Graph]]
    settle: Callable[[Runner, Mapping[str, Rows], Features, Recipe], State] | None = None
    # ^ {"train": rows, "validation": rows}: thresholds, temperature, index, seen items; never gate or test rows
    documents: bool = False  # whether `settle` takes {"documents": passages} too and keeps them in the state as such;
    # the feature called "passage" then reads what a row's question is about, which the documents should hold
    answer: Callable[..., list[Json]]  # (run, inputs, features, state, **options): inputs = collated numpy arrays
    options: Mapping[str, Any] = field(default_factory=dict)  # options of `answer` with their defaults
    finish: Callable[[Row, Json, Features], Json] | None = None  # (row, answer): with what only the raw row tells
    foretell: Callable[..., list[Json]] | None = None
    # ^ (run, inputs with targets, features, state): judged instead of answers, where many answers are as right as the
    # truth: how likely the truth was
    writes: Callable[[Runner, Features, State], Any] | None = None
    # ^ -> parts.ops.continuing.Pen: what a server needs to write texts for many at once, token by token

    # judging and learning
    truth: Callable[[Row, Recipe], Json]  # from the raw row, never through the features
    correct: Callable[[Row, Json, Recipe], Row]  # request row + what the user said -> a training row, or DataError
    compare: Callable[[Row, Json, Json, Recipe], Row] | None = None
    # ^ (request row, the answer that was given, what the user said or {"thumb": "up" | "down"}): in its place, where
    # the answer that was given teaches something too
    scores: Callable[
        [Sequence[Json], Sequence[Json], Recipe], dict[str, Score]
    ]  # (answers, truths); first = the main one
    paired: str = ""  # the score with `rows` on which champion and challenger are compared row by row
    baselines: Callable[[Rows, Recipe], Mapping[str, Callable[[Rows], list[Json]]]]  # fitted on training rows; >= 2
    attention: Callable[..., list[Json]] | None = None
    # ^ (networks, run, rows, features, most): per row {read: [token], written: [token], shares: [[float]]}, at most so
    # many tokens written; [] of a network that has none to show
    pictures: Callable[[Sequence[Json], Sequence[Json], Rows, Recipe], list[Picture]] | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)  # capability -> reason, in words for the user
