"""Where training starts when it does not start from chance: weights of a bundle, a file, or published ones."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from feilun.core.errors import InputError, IntegrityError
from feilun.core.manifest import hash_file, read_json, write_bytes, write_json
from feilun.core.protocols import Say
from feilun.core.recipe import Model
from feilun.parts.bundle import layout
from feilun.parts.engine import transfer, weights
from feilun.parts.models import published_adapters, published_decoders, published_pictures, published_translators
from feilun.stages.training import tables
from feilun.stages.training.tables import ENCODER

FEATURES = "features"  # in the header of what is kept: features.json of the bundle
PUBLISHED = "model.safetensors"  # in a Hugging Face folder
PICKLED = (".pth", ".pt", ".bin", ".pkl", ".ckpt")
INSIDE = re.compile(r"^[^/]*/encoder(s\.\d+)?\.network\.")


def keep(place: Path, folder: Path) -> str:
    """Copy the weights at this place into `folder/<sha256>.safetensors`; the hash.

    place: a .safetensors file, a Hugging Face folder (of one file or several), or a bundle, whose every hash is
    verified first.
    Raises InputError for weights in another form, IntegrityError for damaged ones.
    """
    if place.suffix in PICKLED:
        raise InputError(
            f"{place} is a pickle, and opening one can run code. Where you trust it, turn it into safetensors once: "
            "docs/models.md has the line.",
            where="model.weights",
            expected="a .safetensors file",
            got=place.suffix,
            fix="save its tensors with safetensors.torch.save_file",
        )
    if place.is_file():
        content = place.read_bytes()
    elif (place / "config.json").is_file():
        content = _published(place)
    else:
        layout.read(place)
        tensors = _read(place / layout.WEIGHTS)[0]
        content = safetensors.torch.save(tensors, {FEATURES: json.dumps(layout.read_features(place))})
    folder.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256(content).hexdigest()
    write_bytes(folder / f"{sha256}.safetensors", content)
    _read(folder / f"{sha256}.safetensors")
    return sha256


def _published(place: Path) -> bytes:
    """The weights of a Hugging Face folder as one safetensors file, of whatever precision, and whatever its parts."""
    if (place / PUBLISHED).is_file():
        return (place / PUBLISHED).read_bytes()
    index = place / f"{PUBLISHED}.index.json"
    parts = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else []
    absent = [name for name in parts if Path(name).name != name or not (place / name).is_file()]
    if not parts or absent:
        raise InputError(
            f"{place} has no {', '.join(absent) or PUBLISHED}. Weights are read from safetensors alone: pickled ones "
            "can run code.",
            where="model.weights",
            expected=", ".join(parts) or PUBLISHED,
            got=", ".join(sorted(path.name for path in place.glob("*.*"))[:5]),
            fix="download the missing parts"
            if absent
            else "save the model again with save_pretrained(folder, safe_serialization=True)",
        )
    tensors: dict[str, Tensor] = {}
    for name in parts:
        tensors |= _read(place / name)[0]
    whole: bytes = safetensors.torch.save(tensors)
    return whole


def begin(networks: Mapping[str, nn.Module], model: Model, features: Mapping[str, Any], folder: Path, say: Say) -> None:
    """Put the kept weights into the networks, as far as they fit, and say what was taken."""
    path = folder / f"{model.weights_sha256}.safetensors"
    if not path.is_file() or hash_file(path) != model.weights_sha256:
        raise IntegrityError(
            f"{path} is not the file whose hash the recipe names. Delete it and run again: it is copied anew.",
            where=str(path),
            fix=f"delete {path}",
        )
    tensors, theirs = _read(path)
    if published_decoders.is_decoder(tensors):
        tensors = published_decoders.renamed(tensors)
    tensors = published_pictures.renamed(tensors)
    renumbered: dict[str, transfer.Vectors] = {}
    if published_translators.is_translator(tensors) and getattr(features.get("target"), "reserved", None):
        tensors = published_translators.renamed(tensors)
        renumbered = tables.renumbered(features["target"], len(tensors["target_vectors.weight"]))
    encoders = tables.same_encoders(features, theirs)

    def called(name: str) -> Sequence[str]:
        found = ENCODER.match(name)
        if found and theirs:
            other = encoders.get(int(found["place"]))
            return [""] if other is None else [f"{found['player']}encoders.{other}.{found['rest']}"]
        inside = INSIDE.sub("", name)
        return () if inside == name else [f"{start}{inside}" for start in ("", f"{_outer(tensors)}.")]

    tensors = _fitted(networks, tensors, called)
    matched = tables.matched(networks, features, theirs) if theirs else {}
    matched |= {**renumbered, **tables.fewer_places(networks, tensors)}
    taken = transfer.take(networks, tensors, where=str(model.weights), called=called, tables=matched)
    say.line(taken.words(str(model.weights)))
    if theirs and any(feature.kind == "dialogue" for feature in features.values()):
        say.line(f"Tokens are those of {model.weights}.")


def _fitted(
    networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], called: Callable[[str], Sequence[str]]
) -> dict[str, Tensor]:
    """Tensors in the shapes that networks over pictures have here."""
    made = dict(tensors)
    for name, own in weights.named(networks).items():
        for other in called(name):
            if other in tensors:
                made[other] = published_pictures.fitted(tensors[other], own, other)
    return made


def publish_adapter(folder: Path, model: Model) -> None:
    """The adapter in this folder under the names of the published decoder that it was trained on, for others' use."""
    path, facts = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    gpt2 = model.options.get("positions") == "learned"
    tensors, config = published_adapters.published(_read(path)[0], read_json(facts), gpt2=gpt2)
    write_bytes(path, safetensors.torch.save(tensors))
    write_json(facts, {**config, "base_model_name_or_path": str(model.weights)})


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors, and {feature: its JSON} where a bundle's features are known."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, json.loads((file.metadata() or {}).get(FEATURES, "{}"))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise IntegrityError(
            f"{path} cannot be read as safetensors: {error}. Fetch it again.",
            where=str(path),
            fix="save or download the weights again, as safetensors",
        ) from error


def _outer(tensors: Mapping[str, Tensor]) -> str:
    """What the names of published weights begin with, where the body lies inside a model with a head: `bert`."""
    firsts = [name.partition(".")[0] for name in tensors]
    return max(set(firsts), key=firsts.count, default="")
