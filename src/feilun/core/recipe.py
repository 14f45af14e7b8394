"""The recipe: what a life cycle is. Everything has a default or is inferred, and is written back resolved."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from feilun.core.errors import RecipeError
from feilun.core.keys import Frozen
from feilun.core.train import WITHOUT_EFFECT
from feilun.core.train import Train as Train

AUTO = "auto"  # the model that is chosen from a few by trying
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}  # of options, as people say it


class Split(Frozen):
    """Shares of rows; what is left is for training. Given test or validation files replace their share."""

    by: Literal["hash", "stratified", "group", "time"] = Field(
        "hash",
        description="how rows are dealt: by a hash of their content, so that it never changes; stratified: the same "
        "shares in every class; group: rows with the same value in `column` stay together; time: the latest are tested",
    )
    column: str | None = Field(None, description="the column that names the group or holds the time")
    folds: int | None = Field(None, ge=2, description="deal rows into so many folds; `fold` is then the test")
    fold: int = Field(0, ge=0, description="which fold is the test, from 0")
    part: float = Field(1.0, gt=0, le=1, description="share of the training rows that is used, for learning curves")
    each: int | None = Field(
        None, ge=1, description="training rows of each class that are used, drawn; for learning from few labels"
    )
    validation: float = Field(0.1, ge=0, lt=1, description="share that decides when to stop and where thresholds lie")
    gate: float = Field(0.1, ge=0, lt=1, description="share on which a challenger must beat the champion")
    test: float = Field(0.2, ge=0, lt=1, description="share that is only ever scored")


class Window(Frozen):
    """Rows in time become examples: a row sees itself and the rows before it."""

    column: str = Field("window", min_length=1, description="the new column; its kind is sequence")
    of: tuple[str, ...] = Field(min_length=1, description="the number columns that it gathers")
    steps: int = Field(ge=2, description="rows it looks back over, itself included")
    by: str | None = Field(None, description="the column with the time; rows are in order where left out")
    group: str | None = Field(None, description="windows never cross from one value of this column to another")


class Data(Frozen):
    """Where the rows come from."""

    source: str | None = Field(
        None,
        description="file, folder, archive, URL (https, s3), database (sqlite:///, postgresql://), hf:<name> or "
        "builtin:<name>; paths start at the recipe file",
    )
    query: str | None = Field(None, description="the SQL that gives the rows, where the source is a database")
    test: str | None = Field(None, description="a file or folder of test rows, where you were given one")
    validation: str | None = Field(None, description="a file or folder of validation rows, where you were given one")
    format: str | None = Field(
        None,
        description="csv, jsonl, squad, parquet, npz, conll, text (pages of a plain text), documents (passages of a "
        "folder), image_folder, text_folder or idx; found out where left out; of a folder all files of that kind",
    )
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="between cells of a CSV; found out")
    encoding: str | None = Field(None, description="of a text file, such as utf-8 or gb18030; found out")
    decimal: Literal[".", ","] | None = Field(None, description="decimal mark of numbers in text; found out")
    header: bool | None = Field(None, description="whether the first line holds names; found out")
    columns: tuple[str, ...] | None = Field(None, description="column names, for files without a header")
    missing: tuple[str, ...] = Field(
        ("", "?", "NA", "N/A", "NaN", "nan", "null", "None"), description="texts that mean: no value"
    )
    drop: tuple[str, ...] = Field((), description="columns to leave out")
    limit: int | None = Field(None, ge=1, description="use only the first so many rows")
    documents: tuple[str, ...] = Field(
        (),
        description="folders or files of documents (txt, md, html, pdf, docx), or tables with a column of passages: "
        "what questions are answered from",
    )
    window: Window | None = Field(None, description="make each row the last steps of several columns")
    duplicates: Literal["together", "drop"] = Field(
        "together", description="equal rows: all on one side of the split, or only the first is kept"
    )
    near: Literal["together", "drop", "ignore"] = Field(
        "together", description="nearly equal texts and pictures: all on one side, only the first, or not looked for"
    )
    outliers: Literal["keep", "mark", "clip", "drop"] = Field(
        "keep",
        description="numbers beyond robust limits of the training rows: kept, also marked for the network, clipped, "
        "or their training rows dropped",
    )
    split: Split = Split()

    @field_validator("documents", mode="before")
    @classmethod
    def _one_folder(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Input(BaseModel):
    """One input column: its kind, and options of that kind's feature (checked against the feature)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    kind: str = Field("", description="number, category, text, image, ...; found out where left out")

    @property
    def options(self) -> dict[str, Any]:
        """Everything but the kind."""
        return dict(self.model_extra or {})


class Target(BaseModel):
    """What is predicted. Several columns mean several labels (classification) or numbers (regression)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    columns: tuple[str, ...] = Field(min_length=1, description="the column, or several")
    separator: str | None = Field(None, description="text between several labels in one cell, such as |")
    spellings: Literal["apart", "join"] = Field(
        "apart", description="labels such as yes, Yes and YES: classes of their own, or the most frequent one for all"
    )

    @property
    def column(self) -> str:
        """The first column, for tasks with one."""
        return self.columns[0]

    @property
    def options(self) -> dict[str, Any]:
        """Options of the task's target feature."""
        return dict(self.model_extra or {})

    def known(self, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
        """The options, each of its kind; a task calls it with all that it knows. Raises RecipeError for others."""
        for name, value in self.options.items():
            if name not in kinds:
                there = ", ".join(kinds)
                raise RecipeError(
                    f"target has no option {name!r} here. There are: {there}.",
                    where=f"target.{name}",
                    expected=there,
                    got=name,
                    fix="take one of these, or leave it out",
                )
            asked = kinds[name]
            kind: tuple[type, ...] = asked if isinstance(asked, tuple) else (asked,)
            if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
                expected = " or ".join(KINDS.get(one, one.__name__) for one in kind)
                raise RecipeError(
                    f"target.{name} is {value!r}; expected {expected}.",
                    where=f"target.{name}",
                    expected=expected,
                    got=repr(value)[:100],
                    fix=f"leave {name} out, or give {expected}",
                )
        return self.options


class Lora(Frozen):
    """Low-rank changes of frozen matrices (Hu et al. 2022)."""

    rank: int = Field(8, ge=1, description="rank of the change of each matrix")
    alpha: int = Field(16, ge=1, description="the change counts alpha / rank times")


class Adapter(Frozen):
    """A small part that learns in place of the whole network; it is merged into the weights afterwards."""

    lora: Lora = Lora()


class Model(BaseModel):
    """A network by name, with options of that family (checked against the family)."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str | None = Field(
        None,
        description="a file in parts/models, such as mlp or cnn; auto tries two or three; found out where left out",
    )
    file: str | None = Field(None, description="a Python file of your own that holds the network; name is then own")
    weights: str | None = Field(
        None,
        description="where training starts: a version such as my@3, a bundle, a run, a .safetensors file, or a Hugging "
        "Face folder",
    )
    weights_sha256: str | None = Field(None, description="hash of these weights; filled in")
    adapter: Adapter | None = Field(None, description="train a small part beside the frozen network")

    @property
    def options(self) -> dict[str, Any]:
        """What the family itself takes."""
        return dict(self.model_extra or {})


class Costs(Frozen):
    """Money per answer of a yes-or-no question: what is lost is positive, what is gained negative."""

    true_positive: float = Field(0.0, description="a yes that is right")
    false_positive: float = Field(0.0, description="a yes that is wrong")
    false_negative: float = Field(0.0, description="a no that is wrong")
    true_negative: float = Field(0.0, description="a no that is right")


class Evaluate(Frozen):
    """How answers are judged."""

    score: str | None = Field(None, description="the main score; the task's own where left out")
    positive: str | None = Field(None, description="the class that counts as yes, for two classes")
    bootstrap: int = Field(1000, ge=100, description="resamples behind each 95 % interval")
    groups: tuple[str, ...] = Field((), description="columns whose values are scored apart; they need not be inputs")
    costs: Costs | None = Field(
        None, description="money per answer: decides the threshold, and is the main score unless score names one"
    )
    metrics: dict[str, str] = Field(
        default_factory=dict,
        description='business metrics, such as {default_rate: mean(actual == "bad") where predicted == "good"}',
    )


class Optimize(Frozen):
    """What is made of the trained network."""

    quantize: Literal["int8", "none"] = Field("int8", description="also make and measure an int8 variant")
    tolerance: float = Field(
        0.0, ge=0, description="serve the int8 variant if the main score falls by no more than this; 0: never"
    )


class Serve(Frozen):
    """How answers are given over HTTP."""

    host: str = Field("127.0.0.1", description="address to listen on; anything but loopback needs an API key")
    port: int = Field(8000, ge=0, le=65535, description="port; 0 takes a free one")
    body_mb: float = Field(10.0, gt=0, description="largest request body")
    rows: int = Field(256, ge=1, description="most rows in one request")
    queue: int = Field(64, ge=1, description="requests that may wait; more are told to come back")
    timeout_s: float = Field(30.0, gt=0, description="longest time for one request")
    slots: int = Field(8, ge=1, le=256, description="texts that a language model writes at a time; more wait")
    max_tokens: int = Field(
        512, ge=1, le=4096, description="most tokens of one written text, and what is meant if unsaid"
    )
    cache_mb: float = Field(1024.0, gt=0, description="most memory for the keys and values of all texts being written")
    content_label: str | None = Field(
        None, min_length=1, max_length=200, description="stands behind every generated text, as laws ask: AI-generated"
    )
    output_filter: str | None = Field(
        None,
        description="a Python file with `filter(text) -> str`, which every generated text passes; from the folder in "
        "which the server is started",
    )
    engine: Literal["own", "vllm"] = Field("own", description="what writes: the bundle, or a vLLM server")
    engine_url: str | None = Field(
        None, description="of the vLLM server; where left out the environment variable FEILUN_ENGINE_URL"
    )


class Improve(Frozen):
    """How the model learns from its users."""

    after: int = Field(200, ge=1, description="answers to collect before a lap is advised")
    hold_back: float = Field(0.33, gt=0, lt=1, description="share of feedback kept for judging, never trained on")
    share: float = Field(0.5, gt=0, lt=1, description="least share of training rows drawn from feedback in a lap")
    significance: float = Field(
        0.05, gt=0, lt=1, description="promote only if chance explains the difference less often"
    )


class Recipe(Frozen):
    """A whole life cycle. Key order here is the key order of every file we write."""

    name: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[^\s./\\:*?\"<>|@][^/\\:*?\"<>|@\r\n]*$",  # a folder's name on every system, and `name@3`
        description="what runs and versions are called (no / \\ : @); the file's name where left out",
    )
    task: str | None = Field(None, description="a file in tasks/; found out from the target where left out")
    seed: int = Field(0, ge=0, lt=2**32, description="everything random follows from it")
    data: Data = Data()
    inputs: dict[str, Input] = Field(
        default_factory=dict,
        description='columns the model may see, with kind and options; with "*": found also all others, as found',
    )
    target: Target | None = Field(None, description="what to predict")
    model: Model = Model()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    optimize: Optimize = Optimize()
    serve: Serve = Serve()
    improve: Improve = Improve()

    @field_validator("model", mode="before")
    @classmethod
    def _model_by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("target", mode="before")
    @classmethod
    def _target_by_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"columns": (value,)}
        if isinstance(value, list | tuple):
            return {"columns": tuple(value)}
        if isinstance(value, dict) and "column" in value:
            rest = {key: item for key, item in value.items() if key != "column"}
            return {"columns": (value["column"],), **rest}
        return value

    @field_validator("inputs", mode="before")
    @classmethod
    def _inputs_by_kind(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"kind": item} if isinstance(item, str) else item for name, item in value.items()}

    @model_validator(mode="after")
    def _target_is_no_input(self) -> Recipe:
        both = set(self.inputs) & set(self.target.columns if self.target else ())
        if both:
            raise ValueError(f"target {', '.join(sorted(both))} is also listed under inputs; take it out there")
        return self

    def part(self, *keys: str) -> dict[str, Any]:
        """These top-level keys as JSON: what a stage's result depends on. Dotted keys go one level down.

        Without those keys under `train` that change how a result is made, not the result.
        """
        full = self.model_dump(mode="json")
        full["train"] = {key: value for key, value in full["train"].items() if key not in WITHOUT_EFFECT}
        chosen: dict[str, Any] = {}
        for key in keys:
            head, _, rest = key.partition(".")
            chosen[key] = full[head][rest] if rest else full[head]
        return chosen

    def with_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Plain values of what was set, with these dotted keys on top (`{"train.epochs": 3}`)."""
        plain = self.model_dump(mode="json", exclude_unset=True)
        for key, value in settings.items():
            *groups, last = key.split(".")
            place = plain
            for group in groups:
                place = place.setdefault(group, {})
            place[last] = value
        return plain

    def but(self, **changes: Any) -> Recipe:
        """A copy with these top-level keys replaced, validated again."""
        return Recipe.model_validate({**self.model_dump(mode="json"), **changes})
