"""The keys under `train:`, in the order in which a step uses them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from feilun.core.keys import Frozen

WITHOUT_EFFECT = (
    "processes",
    "shard",
    "cluster",
    "checkpoint_s",
    "keep",
    "report_to",
    "profile",
)  # on what comes out: how it is made
FOUND = ("learning_rate", "batch_size")  # what may be `auto`
Share = Annotated[float, Field(ge=0, lt=1)]


class Pretrain(Frozen):
    """Learn from inputs alone before the labels are looked at; or from which rows have the same one."""

    method: Literal["masked", "contrastive", "labels"] = Field(
        "masked",
        description="masked: find hidden tokens, steps or patches again; contrastive: know two views of one picture; "
        "labels: bring rows of one label together, before a last layer is learnt",
    )
    epochs: int = Field(5, ge=1, description="passes over the rows")
    source: str | None = Field(
        None, description="rows without labels, beside the training rows; only the training rows where left out"
    )


class PseudoLabels(Frozen):
    """Rows without labels that the trained network is sure of are learnt in a second training."""

    source: str = Field(description="rows without labels")
    confidence: float = Field(0.95, gt=0, lt=1, description="least probability of an answer that is taken as a label")


class Train(Frozen):
    """How the network learns."""

    epochs: int = Field(
        30, ge=0, description="passes over the training rows, at most; 0: weights from elsewhere, as they are"
    )
    time_limit_s: float | None = Field(
        None, gt=0, description="stop in time: epochs are cut to what fits into so many seconds of training"
    )
    batch_size: int = Field(64, ge=1, description="rows per step; auto: the fastest that is measured")
    accumulate: int = Field(1, ge=1, description="parts that a batch is taken in, one after the other, to save memory")
    find: tuple[Literal["learning_rate", "batch_size"], ...] = Field(
        (), description="what is found by measurement before training; `learning_rate: auto` says the same"
    )
    initialisation: Literal["default", "random", "gaussian", "xavier", "he", "orthogonal"] = Field(
        "default", description="where matrices and kernels start; default: as the network's own layers say"
    )
    pretrain: Pretrain | None = Field(None, description="learn from inputs alone first")
    few_shot: bool = Field(
        False,
        description="leave the encoder as it is and solve the last layer: for 5 to 50 labels per class on weights from "
        "elsewhere",
    )
    pseudo_labels: PseudoLabels | None = Field(None, description="learn sure answers of rows without labels, too")
    freeze: tuple[str, ...] = Field(
        (), description="parts of the network that stay as they are, by the start of their names, such as [encoders]"
    )
    unfreeze: int | None = Field(
        None, ge=2, description="the epoch from which all parts learn; null: what is frozen stays frozen"
    )
    loss: str | None = Field(None, description="what is made small; the task's own where left out")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of every label that is spread over all classes")
    focusing: float = Field(2.0, ge=0, description="for loss focal: how much less easy rows count")
    optimizer: Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "muon"] = Field(
        "adamw", description="the update rule"
    )
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate; auto: found by a rising rate")
    momentum: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="for momentum, nesterov, muon: share of the last step kept (classical form); for rmsprop: of the "
        "mean square",
    )
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="for adam, adamw and what muon leaves to adamw")
    l2: float = Field(0.0, ge=0, description="adds l2/2 times the squared weights to the loss")
    weight_decay: float = Field(
        0.01, ge=0, description="for adamw and muon: decoupled decay per step, times the learning rate"
    )
    l1: float = Field(0.0, ge=0, description="adds l1 times the absolute weights to the loss")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of all steps in which the rate climbs to its peak")
    decay: Literal["cosine", "linear", "none", "one_cycle", "plateau"] = Field(
        "cosine",
        description="how the rate falls after warm-up; one_cycle: up for 30 % of all steps, then down to nearly 0; "
        "plateau: by half whenever the validation loss has not fallen for two epochs",
    )
    floor: float = Field(0.0, ge=0, le=1, description="lowest rate as a share of the peak")
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="the rate of each layer as a share of the one above it; 1: all learn alike"
    )
    clip: float | None = Field(1.0, gt=0, description="gradients longer than this are scaled down; null: never")
    mixup: float = Field(0.0, ge=0, description="mix pairs of rows, by a share drawn from Beta(mixup, mixup); 0: never")
    cutmix: float = Field(
        0.0, ge=0, description="paste a box of one picture into another, its area from Beta(cutmix, cutmix); 0: never"
    )
    average: Literal["none", "ema", "swa"] = Field(
        "none",
        description="weights that are judged and kept: the last; their exponential moving average (ema); the mean over "
        "the ends of the last quarter of all epochs (swa)",
    )
    average_decay: float = Field(0.999, ge=0, lt=1, description="for ema: share of the average kept in every step")
    patience: int | None = Field(
        5, ge=1, description="stop after so many epochs without a better validation loss; null: never"
    )
    balance: Literal["none", "weights", "sampling"] = Field(
        "none", description="rare classes count more (weights), or are drawn more often (sampling)"
    )
    group_by_length: bool = Field(
        False, description="batches of texts or series that are about as long: less padding, so faster; not streamed"
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32",
        description="of matrix products; bf16 is fp32 where the processor lacks it; fp16, its losses scaled, for GPUs",
    )
    channels_last: bool | None = Field(None, description="pictures with channels last in memory; null: where it helps")
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="torch.compile; auto: only where a measurement says that it pays back within the run"
    )
    recompute: bool = Field(
        False, description="keep no activations inside repeated layers, compute them again on the way back: less memory"
    )
    device: str = Field("auto", description="cpu, cuda, mps, ...; auto: the fastest found")
    threads: int | None = Field(None, ge=1, description="CPU threads; null: all cores")
    memory_mb: int | None = Field(
        None,
        ge=1,
        description="most memory for encoded rows: more than that is streamed from disk; null: a quarter of what the "
        "machine or its container allows",
    )
    processes: int = Field(1, ge=1, description="that train together, each with its part of every batch")
    shard: bool = Field(
        False,
        description="divide weights, gradients and moments among the processes (FSDP), for networks too large for one",
    )
    cluster: str | None = Field(
        None, description="a Ray cluster whose machines the processes run on, such as ray://head:10001"
    )
    checkpoint_s: float = Field(30.0, gt=0, description="seconds between checkpoints")
    keep: int = Field(
        1, ge=1, description="checkpoints that are kept while it trains, the newest; the best weights too"
    )
    report_to: tuple[Literal["mlflow"], ...] = Field(
        (), description="who gets parameters and curves besides TensorBoard's event files: mlflow"
    )
    profile: bool = Field(False, description="measure where a step's time goes, and keep a trace of some steps")

    @model_validator(mode="before")
    @classmethod
    def _auto_is_found(cls, value: Any) -> Any:
        """`learning_rate: auto` puts learning_rate into `find`."""
        if not isinstance(value, dict):
            return value
        asked = [key for key in FOUND if value.get(key) == "auto"]
        if not asked:
            return value
        rest = {key: item for key, item in value.items() if key not in asked}
        return {**rest, "find": tuple(dict.fromkeys([*value.get("find", ()), *asked]))}
