"""Published weights in a Hugging Face folder: the model that reads them and the tokenizer they were trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feilun.core import discover, manifest, reading
from feilun.core.errors import DataError
from feilun.core.recipe import Recipe

FAMILY = "pretrained"
LONGEST = 256  # tokens kept of a text where nothing else is said: most sentence encoders were trained on no more


def filled(recipe: Recipe, base: Path) -> Recipe:
    """With the family, its configuration and the tokenizer of each text, where `model.weights` is such a folder."""
    folder = base / reading.expand(recipe.model.weights or "")
    is_folder = recipe.model.weights is not None and (folder / "config.json").is_file()
    if not is_folder or recipe.model.name not in (None, FAMILY):
        return recipe
    config = manifest.read_json(folder / "config.json")
    said = recipe.model_dump(mode="json", exclude_unset=True)
    model = {"config": config, **said["model"], "name": FAMILY}
    together = recipe.task is not None and "text" in discover.task(recipe.task).reads
    shared = {key: value for column in recipe.inputs.values() for key, value in column.options.items() if together}
    inputs = {
        name: {**(_tokens(folder, config) | shared if column.kind == "text" else {}), **column.model_dump(mode="json")}
        for name, column in recipe.inputs.items()
    }
    return Recipe.model_validate({**said, "model": model, "inputs": inputs})


def files(recipe: Recipe) -> list[Path]:
    """The tokenizers that the inputs name."""
    return [Path(column.options["file"]) for column in recipe.inputs.values() if column.options.get("file")]


def _tokens(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DataError(
            f"{folder} has no tokenizer.json, which says how the weights count their tokens.",
            where="model.weights",
            expected="tokenizer.json",
            got=", ".join(sorted(one.name for one in folder.glob("*.*"))[:5]),
            fix="save it with AutoTokenizer.from_pretrained(...).save_pretrained(folder)",
        )
    longest = min(LONGEST, int(config.get("max_position_embeddings", LONGEST)))
    return {"tokens": "file", "file": str(path.resolve()), "lowercase": False, "max_length": longest}
