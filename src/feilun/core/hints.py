"""What each recipe key means, and which key a person had in mind: near spellings and the names other tools use."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from feilun.core.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key of a recipe.  path: with dots; `<column>` stands for any column name.  group: it holds further keys."""

    path: str
    meaning: str
    expects: str
    default: Any
    group: bool = False


def all_keys() -> dict[str, Key]:
    """Every key of a recipe by its path, in the order in which we write them."""
    return {key.path: key for key in _walk(Recipe, "")}


def find_key(path: str) -> Key | None:
    """The key at this path; a column's name under `inputs` stands for `<column>`."""
    known = all_keys()
    head, _, rest = path.partition(".")
    if head == "inputs" and rest and path not in known:
        *_, last = rest.rpartition(".") if "." in rest else ("", "", "")
        path = f"inputs.<column>.{last}" if last else "inputs.<column>"
    return known.get(path)


def meant(path: str) -> tuple[str, str]:
    """(our key, whose name it was) for an unknown key; ("", "") if nothing comes near.

    path: the unknown key with dots.  Whose is "" for a slip of the finger or the right key in the wrong place.
    """
    group, _, last = path.rpartition(".")
    if last.lower() in FOREIGN:
        whose, ours = FOREIGN[last.lower()]
        return ours, whose
    known = all_keys()
    here = [other for other in known if other.rpartition(".")[0] == group]
    for candidates in (here, list(known)):
        names = {other.rpartition(".")[2]: other for other in reversed(candidates)}
        near = difflib.get_close_matches(last.lower().replace("-", "_"), names, n=1, cutoff=0.75)
        if near:
            return names[near[0]], ""
    return "", ""


# The name used elsewhere -> (whose it is, our key or what to use instead).
FOREIGN: Mapping[str, tuple[str, str]] = {
    "num_train_epochs": ("Hugging Face", "train.epochs"),
    "per_device_train_batch_size": ("Hugging Face", "train.batch_size"),
    "per_device_eval_batch_size": ("Hugging Face", "train.batch_size"),
    "train_batch_size": ("Hugging Face", "train.batch_size"),
    "lr_scheduler_type": ("Hugging Face", "train.decay"),
    "warmup_ratio": ("Hugging Face", "train.warmup"),
    "warmup_steps": ("Hugging Face", "train.warmup"),
    "max_grad_norm": ("Hugging Face", "train.clip"),
    "optim": ("Hugging Face", "train.optimizer"),
    "adam_beta1": ("Hugging Face", "train.betas"),
    "adam_beta2": ("Hugging Face", "train.betas"),
    "early_stopping_patience": ("Hugging Face", "train.patience"),
    "metric_for_best_model": ("Hugging Face", "evaluate.score"),
    "save_steps": ("Hugging Face", "train.checkpoint_s"),
    "output_dir": ("Hugging Face", "the option --home"),
    "use_cpu": ("Hugging Face", "nothing to set: without a GPU it runs on the CPU"),
    "dataset": ("LLaMA-Factory", "data.source"),
    "dataset_dir": ("LLaMA-Factory", "data.source"),
    "initial_learning_rate": ("Keras", "train.learning_rate"),
    "clipnorm": ("Keras", "train.clip"),
    "global_clipnorm": ("Keras", "train.clip"),
    "validation_split": ("Keras", "data.split.validation"),
    "validation_data": ("Keras", "data.validation"),
    "metrics": ("Keras", "evaluate.score"),
    "monitor": ("Keras", "evaluate.score"),
    "loss_function": ("CatBoost", "train.loss"),
    "criterion": ("PyTorch", "train.loss"),
    "loss_func": ("fastai", "train.loss"),
    "label_smoothing_factor": ("Hugging Face", "train.label_smoothing"),
    "kernel_initializer": ("Keras", "train.initialisation"),
    "weights_initializer": ("Ludwig", "train.initialisation"),
    "class_weight": ("scikit-learn", "train.balance"),
    "class_weights": ("Ludwig", "train.balance"),
    "mixup_alpha": ("timm", "train.mixup"),
    "cutmix_alpha": ("timm", "train.cutmix"),
    "drop_path_rate": ("timm", "model, with drop_path"),
    "stochastic_depth_prob": ("torchvision", "model, with drop_path"),
    "callbacks": ("Keras", "train.patience and train.checkpoint_s"),
    "input_features": ("Ludwig", "inputs"),
    "output_features": ("Ludwig", "target"),
    "preprocessing": ("Ludwig", "data"),
    "trainer": ("Ludwig", "train"),
    "training": ("Ludwig", "train"),
    "combiner": ("Ludwig", "model"),
    "model_type": ("Ludwig", "model"),
    "early_stop": ("Ludwig", "train.patience"),
    "learning_rate_scheduler": ("Ludwig", "train.decay"),
    "regularization_lambda": ("Ludwig", "train.l2"),
    "max_epochs": ("Lightning", "train.epochs"),
    "min_epochs": ("Lightning", "train.epochs"),
    "gradient_clip_val": ("Lightning", "train.clip"),
    "val_check_interval": ("Lightning", "nothing to set: validation follows every epoch"),
    "num_nodes": ("Lightning", "train.cluster"),
    "devices": ("Lightning", "train.processes"),
    "strategy": ("Lightning", "train.processes and train.shard"),
    "nproc_per_node": ("torchrun", "train.processes"),
    "fsdp": ("Hugging Face", "train.shard"),
    "auto_lr_find": ("Lightning", "train.learning_rate: auto"),
    "auto_scale_batch_size": ("Lightning", "train.batch_size: auto"),
    "max_time": ("Lightning", "train.time_limit_s"),
    "time_limit": ("AutoGluon", "train.time_limit_s"),
    "accelerator": ("Lightning", "nothing to set: the fastest device found is used"),
    "lr": ("PyTorch", "train.learning_rate"),
    "n_epochs": ("PyTorch", "train.epochs"),
    "num_epochs": ("PyTorch", "train.epochs"),
    "num_workers": ("PyTorch", "train.threads"),
    "scheduler": ("PyTorch", "train.decay"),
    "bs": ("fastai", "train.batch_size"),
    "valid_pct": ("fastai", "data.split.validation"),
    "y_names": ("fastai", "target"),
    "cat_names": ("fastai", "inputs, with kind category"),
    "cont_names": ("fastai", "inputs, with kind number"),
    "wd": ("fastai", "train.weight_decay"),
    "label": ("AutoGluon", "target"),
    "train_data": ("AutoGluon", "data.source"),
    "test_data": ("AutoGluon", "data.test"),
    "tuning_data": ("AutoGluon", "data.validation"),
    "eval_metric": ("AutoGluon", "evaluate.score"),
    "random_state": ("scikit-learn", "seed"),
    "random_seed": ("Ludwig", "seed"),
    "max_iter": ("scikit-learn", "train.epochs"),
    "test_size": ("scikit-learn", "data.split.test"),
    "alpha": ("scikit-learn", "train.l2"),
    "learning_rate_init": ("scikit-learn", "train.learning_rate"),
    "hidden_layer_sizes": ("scikit-learn", "model"),
    "pos_label": ("scikit-learn", "evaluate.positive"),
}


def _walk(model: type[BaseModel], above: str) -> list[Key]:
    found = []
    for name, field in model.model_fields.items():
        path = f"{above}{name}"
        inner, by_column = _group(field.annotation)
        if inner is None:
            found.append(_leaf(path, field))
            continue
        meaning = field.description or _first_line(inner)
        found.append(Key(path=path, meaning=meaning, expects="a group of keys", default=None, group=True))
        if by_column:
            path = f"{path}.<column>"
            found.append(
                Key(path=path, meaning=_first_line(inner), expects="a group of keys", default=None, group=True)
            )
        found += _walk(inner, f"{path}.")
    return found


def _leaf(path: str, field: FieldInfo) -> Key:
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    return Key(
        path=path,
        meaning=field.description or "",
        expects=_expects(field),
        default=list(default) if isinstance(default, tuple) else default,
    )


def _group(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The group behind `Train`, `Target | None` or `dict[str, Input]`, and whether it stands for each column."""
    candidates = [annotation, *typing.get_args(annotation)]
    inner = next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
    return inner, typing.get_origin(annotation) is dict


def _expects(field: FieldInfo) -> str:
    signs = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    bounds = [
        f"{words} {getattr(item, sign):g}"
        for item in field.metadata
        for sign, words in signs.items()
        if getattr(item, sign, None) is not None
    ]
    types_ = typing.get_args(field.annotation) if _is_union(field.annotation) else (field.annotation,)
    words = " or ".join(_type(item) for item in types_ if item is not type(None))
    null = ", or null" if type(None) in types_ else ""
    return " ".join([words, *bounds[:1], *(f"and {bound}" for bound in bounds[1:])]) + null


def _type(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " | ".join(str(item) for item in inner)
    if _is_union(annotation):
        return " or ".join(_type(item) for item in inner)
    if origin in (tuple, list):
        if typing.get_origin(inner[0]) is Literal:
            return f"a list of {_type(inner[0])}"
        return f"a list of {len(inner)} numbers" if float in inner else "a list of texts"
    plain = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return plain.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0].rstrip(".")
