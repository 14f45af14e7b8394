"""Packing a bundle: everything that answering needs, the source that answers, and a sealed manifest."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover, sources, yaml12
from feilun.core.errors import FeilunError
from feilun.core.manifest import read_json, write_bytes
from feilun.core.recipe import Recipe
from feilun.parts.bundle import layout, signature, standalone
from feilun.parts.bundle import state as saved_state

if TYPE_CHECKING:
    from feilun.core.task import Task

LIBRARIES = ("numpy", "onnxruntime", "pillow", "tokenizers", "safetensors")
# What predict.py imports besides the task and its features.
ANSWERING = ("answering", "checks", "layout", "onnx_runner", "signature", "state")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The finished files of earlier stages that a bundle is made of.

    features: features.json.  weights: weights.safetensors.  state: folder with the task's saved state.
    graphs: folder of .onnx files.  about: variants.json as JSON: `graphs` with inputs, outputs and axes, `chosen`.
    """

    recipe: Recipe
    task: Task
    version: int
    features: Path
    weights: Path
    state: Path
    graphs: Path
    about: Mapping[str, Any]
    card: Path | None = None
    adapter: Path | None = None  # folder of an adapter as peft writes it, where one was trained


def pack(folder: Path, parts: Parts) -> None:
    """Write the bundle into `folder`, which is emptied first. The manifest comes last, so half a bundle is none."""
    if folder.exists():
        shutil.rmtree(folder)
    (folder / layout.GRAPHS).mkdir(parents=True)
    for path in sorted(parts.graphs.iterdir()):
        shutil.copyfile(path, folder / layout.GRAPHS / path.name)
    shutil.copyfile(parts.weights, folder / layout.WEIGHTS)
    shutil.copyfile(parts.features, folder / layout.FEATURES)
    for name in (saved_state.JSON, saved_state.ARRAYS):
        if (parts.state / name).is_file():
            shutil.copyfile(parts.state / name, folder / name)
    if parts.card is not None and parts.card.is_file():
        shutil.copyfile(parts.card, folder / layout.CARD)
    if parts.adapter is not None and parts.adapter.is_dir():
        shutil.copytree(parts.adapter, folder / layout.ADAPTER)
    recipe = yaml12.dump(_travelling(parts.recipe), order=Recipe.model_fields)
    write_bytes(folder / layout.RECIPE, recipe.encode())
    shutil.copyfile(standalone.__file__, folder / layout.PREDICT)
    kinds = read_json(parts.features)
    seeds = [discover.module_name("features", facts["kind"]) for facts in kinds.values()]
    _copy_source(folder / layout.CODE, [discover.module_name("tasks", str(parts.recipe.task)), *seeds])
    layout.write(folder, _facts(parts, kinds))


def _travelling(recipe: Recipe) -> dict[str, Any]:
    """The recipe as it travels: tokenizers lie whole in features.json, where they came from is nobody's business."""
    plain = recipe.model_dump(mode="json")
    for options in (*plain["inputs"].values(), plain["target"] or {}):
        if options.get("file"):
            options["file"] = Path(options["file"]).name
    return plain


def _facts(parts: Parts, kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the manifest says besides the files."""
    features = {name: discover.feature(**facts) for name, facts in kinds.items()}
    graphs = sorted(path.name.removesuffix(".onnx") for path in parts.graphs.glob("*.onnx"))
    described = parts.about.get("graphs", {})
    plain = [graph for graph in graphs if not graph.endswith(".int8")]
    return {
        "name": parts.recipe.name,
        "version": parts.version,
        "task": parts.recipe.task,
        "variant": str(parts.about.get("chosen", "fp32")),
        "graphs": {graph: {**described.get(graph, {}), "files": _variants(graph, graphs)} for graph in plain},
        "signature": signature.columns(features, parts.task.targets),
        "options": dict(parts.task.options),
        "versions": {library: _version(library) for library in LIBRARIES},
    }


def _variants(graph: str, files: Iterable[str]) -> dict[str, str]:
    found = {"fp32": f"{layout.GRAPHS}/{graph}.onnx"}
    if f"{graph}.int8" in files:
        found["int8"] = f"{layout.GRAPHS}/{graph}.int8.onnx"
    return found


def _copy_source(folder: Path, modules: Iterable[str]) -> None:
    """The source of these modules and of what they import at the top; nothing there may need torch or pydantic.

    A task or feature of an outside package is not copied: predict.py then needs that package.
    """
    answering = [f"{__package__}.{name}" for name in ANSWERING]
    found = sources.closure([*modules, *answering, "feilun.core.discover"], lazy=False)
    for module, path in found.items():
        if module.partition(".")[0] != sources.PACKAGE:
            continue
        if module == "feilun.core.recipe" or module.startswith(("feilun.parts.models.", "feilun.parts.engine.")):
            raise FeilunError(
                f"{module} is imported at the top of a file that answers; import it inside the function that needs it.",
                where=module,
            )
        place = folder.joinpath(*module.split("."))
        target = place / "__init__.py" if path.name == "__init__.py" else place.with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"
