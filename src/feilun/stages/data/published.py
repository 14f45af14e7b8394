"""Published weights in a Hugging Face folder: the model that reads them and the tokenizer they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feilun.core import discover, manifest
from feilun.core.errors import DataError, RecipeError
from feilun.core.recipe import Recipe
from feilun.parts.features import dialogue, published_pieces, published_tokens
from feilun.parts.models import published_decoders, published_translators
from feilun.parts.models.published_families import DECODERS, ENCODERS, KNOWN, TRANSLATORS
from feilun.stages.data import hub

FAMILY, WRITER, TRANSLATOR = "pretrained", "decoder", "encoder_decoder"
FAMILIES = {FAMILY: ENCODERS, WRITER: DECODERS, TRANSLATOR: TRANSLATORS}
TRANSLATES = "translation"
LONGEST = 256  # tokens kept of a text where nothing else is said: most sentence encoders were trained on no more
CONTEXT = 1024  # tokens that a decoder sees at once where nothing else is said: the memory of more is dear
TUNED = {"optimizer": "adamw", "learning_rate": 5e-5, "batch_size": 8}  # of train: what is learnt already moves little
ADAPTED = {**TUNED, "learning_rate": 2e-4}  # with an adapter (Hu et al. 2022)


def filled(recipe: Recipe, base: Path) -> Recipe:
    """With the family, its configuration and the tokenizer of each text, where `model.weights` is such a folder.

    Raises RecipeError for a family that is not known here, or does not do what the task asks.
    """
    found = hub.find(recipe.model.weights, base)
    if found is None or recipe.model.name not in (None, FAMILY, WRITER, TRANSLATOR):
        return recipe
    config, name = _config(found.folder), _family(recipe)
    if config["model_type"] not in FAMILIES[name]:
        raise _not_for(recipe, config)
    said = recipe.model_dump(mode="json", exclude_unset=True)
    together = name == FAMILY and recipe.task is not None and "text" in discover.task(recipe.task).reads
    shared = {key: value for column in recipe.inputs.values() for key, value in column.options.items() if together}
    read, written = _both(found.folder, config) if name == TRANSLATOR else (_tokens(found.folder, config), {})
    inputs = {
        column: {**({**read, **shared} if _is_text(item.kind) else {}), **item.model_dump(mode="json")}
        for column, item in recipe.inputs.items()
    }
    if name == WRITER:
        _check_context(inputs, config)
    given = {"target": {**written, **recipe.target.model_dump(mode="json")}} if written and recipe.target else {}
    model = {**_model(name, config), **said["model"], "name": name, "weights": found.pinned}
    return Recipe.model_validate({**said, **given, "model": model, "inputs": inputs})


def training(recipe: Recipe, base: Path) -> dict[str, Any]:
    """Defaults under `train` where published weights that write are trained on; {} elsewhere."""
    if not recipe.task or not recipe.model.weights or _family(recipe) == FAMILY:
        return {}
    if hub.find(recipe.model.weights, base) is None:
        return {}
    return {"train": TUNED if recipe.model.adapter is None else ADAPTED}


def like_bundle(recipe: Recipe, folder: Path) -> Recipe:
    """Weights of a bundle that writes texts: its tokens, its model's options and its context, where none are said.

    Raises RecipeError where other tokens are asked for: its numbers would mean nothing.
    """
    features = manifest.read_json(folder / dialogue.FEATURES)
    theirs = features.get("text", {})
    if not _reads_dialogues(recipe) or theirs.get("kind") != "dialogue":
        return recipe
    said = recipe.model_dump(mode="json", exclude_unset=True)
    taken = {"tokens": "file", "file": str((folder / dialogue.FEATURES).resolve())}
    taken |= {name: theirs[name] for name in ("start", "ends") if theirs.get(name) is not None}
    for column, item in recipe.inputs.items():
        asked = item.options.get("tokens", "auto")
        if asked not in ("auto", "file", theirs["tokens"]):
            raise RecipeError(
                f"model.weights {recipe.model.weights} has its own tokens ({theirs['tokens']}), which training goes on "
                f"with; inputs.{column}.tokens asks for others. Leave tokens out.",
                where=f"inputs.{column}.tokens",
                expected=str(theirs["tokens"]),
                got=str(asked),
                fix="leave tokens out",
            )
    plain = {column: item.model_dump(mode="json") for column, item in recipe.inputs.items()}
    inputs = {column: {"context": theirs["context"], **options, **taken} for column, options in plain.items()}
    model = {**_options(folder), **said["model"]}
    return Recipe.model_validate({**said, "inputs": inputs, "model": model})


def files(recipe: Recipe) -> list[Path]:
    """The tokenizers that inputs and target name."""
    said = [column.options for column in recipe.inputs.values()]
    said += [recipe.target.options] if recipe.target else []
    named = [Path(options["file"]) for options in said if options.get("file")]
    return [path for one in named for path in published_pieces.read_with(one)]


def _options(folder: Path) -> dict[str, Any]:
    """What the model of a bundle was built with."""
    from feilun.core import yaml12

    found: Any = yaml12.load((folder / "recipe.yaml").read_text("utf-8"), "recipe.yaml").value["model"]
    own = ("weights", "weights_sha256", "adapter", "file")
    return {key: value for key, value in found.items() if key not in own and value is not None}


def _reads_dialogues(recipe: Recipe) -> bool:
    return "dialogue" in discover.task(str(recipe.task)).reads.values()


def _family(recipe: Recipe) -> str:
    """The model that does what the task asks."""
    return WRITER if _reads_dialogues(recipe) else TRANSLATOR if recipe.task == TRANSLATES else FAMILY


def _model(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    if name == FAMILY:
        return {"config": config}
    return published_decoders.options(config) if name == WRITER else published_translators.options(config)


def _is_text(kind: str) -> bool:
    return kind in ("text", "dialogue")


def _config(folder: Path) -> dict[str, Any]:
    """config.json, looked at. Raises RecipeError for code that comes with the weights, and for unknown families."""
    config: dict[str, Any] = manifest.read_json(folder / "config.json")
    kind = config.get("model_type")
    if "auto_map" in config:
        raise RecipeError(
            f"{folder}/config.json names Python code of its own (auto_map). Code that comes with weights is not run. "
            f"Take weights of a family that is known here: {', '.join(KNOWN)}.",
            where="model.weights",
            expected="config.json without auto_map",
            got="auto_map",
            fix="take the same model in the form of a known family, or take auto_map out if model_type is one of these",
        )
    if kind not in KNOWN:
        raise RecipeError(
            f"{folder}/config.json says model_type {kind!r}, which is not read here. Known are {', '.join(KNOWN)}.",
            where="model.weights",
            expected=", ".join(KNOWN),
            got=str(kind),
            fix="take weights of one of these families",
        )
    return config


def _tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a text whose tokens are those of the weights."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise _without_tokens(folder, path.name)
    found: dict[str, Any] = {"tokens": "file", "file": str(path.resolve())}
    if config["model_type"] in DECODERS:
        start, ends = published_tokens.marks_of(folder, config)
        context = min(CONTEXT, published_decoders.longest(config))
        return {**found, "start": start, "ends": list(ends), "context": context}
    return {**found, "lowercase": False, "max_length": min(LONGEST, _places(config))}


def _both(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of the text that is read, and of the one that is written."""
    found = published_pieces.files(folder)
    if found is None:
        raise _without_tokens(folder, "tokenizer.json, or source.spm, target.spm and vocab.json")
    shared = {"tokens": "file", "reserved": list(published_pieces.reserved(found[0], config)), "lowercase": False}
    read, written = ({**shared, "file": str(path.resolve()), "max_length": LONGEST} for path in found)
    return read, written


def _without_tokens(folder: Path, expected: str) -> DataError:
    return DataError(
        f"{folder} has no {expected}: what says how the weights count their tokens. Where there are other "
        "files of a tokenizer, such as tokenizer.model, AutoTokenizer of transformers makes it of them.",
        where="model.weights",
        expected=expected,
        got=", ".join(sorted(one.name for one in folder.glob("*.*"))[:5]),
        fix='make it of the other tokenizer files: python -c "from transformers import AutoTokenizer as A; '
        f"A.from_pretrained('{folder}').save_pretrained('{folder}')\"",
    )


def _places(config: Mapping[str, Any]) -> int:
    """Most tokens of a text: RoBERTa counts places from behind its padding's number on."""
    places = int(config.get("max_position_embeddings", LONGEST))
    return places - int(config["pad_token_id"]) - 1 if "roberta" in config["model_type"] else places


def _check_context(inputs: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]) -> None:
    most = published_decoders.longest(config)
    for column, options in inputs.items():
        if int(options["context"]) > most:
            raise RecipeError(
                f"inputs.{column}.context is {options['context']}; these weights see {most} tokens at once.",
                where=f"inputs.{column}.context",
                expected=f"{most} or less",
                got=str(options["context"]),
                fix=f"context: {most}",
            )


def _not_for(recipe: Recipe, config: Mapping[str, Any]) -> RecipeError:
    kind = config["model_type"]
    if kind in ENCODERS:
        does, fix = "reads texts and writes none", "take one of " + ", ".join(FAMILIES[_family(recipe)])
    elif kind in DECODERS:
        does, fix = (
            "writes texts",
            "task: text_generation, or weights of one of " + ", ".join(FAMILIES[_family(recipe)]),
        )
    else:
        does, fix = "writes one text from another", f"task: {TRANSLATES}, or take other weights"
    return RecipeError(
        f"model.weights {recipe.model.weights} is a {kind}, which {does}; the task is {recipe.task}.",
        where="model.weights",
        expected=f"weights for {recipe.task}",
        got=str(kind),
        fix=fix,
    )
