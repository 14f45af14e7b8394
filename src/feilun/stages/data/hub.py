"""Where published weights lie: a folder, or a name on a hub, which is sought among what was fetched before."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from feilun.core import reading
from feilun.core.errors import InputError

NAME = re.compile(r"^(?:(?P<hub>hf|modelscope):)?(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?$")
FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.spm", "*.jinja")  # what is fetched: no code, no pickle


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A folder with config.json. pinned: what a resolved recipe says, with the revision of a hub's name."""

    folder: Path
    pinned: str


def find(weights: str | None, base: Path) -> Found | None:
    """None where `weights` is neither a published folder nor a hub's name, such as a bundle or my@3.

    Raises InputError for a hub's name that is not here and cannot be fetched.
    """
    if weights is None:
        return None
    folder = base / reading.expand(weights)
    if folder.exists():
        return Found(folder=folder, pinned=weights) if (folder / "config.json").is_file() else None
    named = NAME.match(weights)
    if named is None or weights.startswith((".", "/", "~")):
        return None
    name, revision = named["name"], named["revision"] or "main"
    if named["hub"] == "modelscope":
        return _from_modelscope(name, revision)
    kept = _kept(name, revision) or _fetched(name, revision)
    return Found(folder=kept, pinned=f"{name}@{kept.name}")


def _cache() -> Path:
    """Where Hugging Face's libraries keep what they fetched."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    return Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()


def _kept(name: str, revision: str) -> Path | None:
    """The snapshot of a branch, tag or commit, where its configuration and weights are there."""
    place = _cache() / f"models--{name.replace('/', '--')}"
    branch = place / "refs" / revision
    commit = branch.read_text("utf-8").strip() if branch.is_file() else revision
    folder = place / "snapshots" / commit
    whole = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return folder if whole else None


def _fetched(name: str, revision: str) -> Path:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    page = f"{endpoint}/{name}/tree/{revision}"
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise _absent(name, page, "the package huggingface_hub is not here") from None
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except Exception as error:  # of the network, of the hub, of the disk: whatever it is, files can be put there
        raise _absent(name, page, f"{type(error).__name__}: {error}".partition("\n")[0][:200]) from error


def _from_modelscope(name: str, revision: str) -> Found:
    """What `modelscope download` put into its cache, which holds one revision of each name."""
    cache = Path(os.environ.get("MODELSCOPE_CACHE", "~/.cache/modelscope/hub")).expanduser()
    plain = name.replace(".", "___")  # as its client spells folders
    folders = [cache / "models" / one for one in (name, plain)] + [cache / one for one in (name, plain)]
    for folder in folders:
        if (folder / "config.json").is_file():
            return Found(folder=folder, pinned=f"modelscope:{name}")
    endpoint = os.environ.get("MODELSCOPE_ENDPOINT", "https://modelscope.cn").rstrip("/")
    said = f"type: modelscope download --model {name} --revision {revision}"
    raise _absent(name, f"{endpoint}/models/{name}/files", f"nothing in {cache}; {said}")


def _absent(name: str, page: str, why: str) -> InputError:
    files = "config.json, model.safetensors (or its parts and model.safetensors.index.json), tokenizer.json, "
    files += "tokenizer_config.json (of Marian source.spm, target.spm and vocab.json in their place) "
    files += "and, where there are, generation_config.json and chat_template.jinja"
    return InputError(
        f"model.weights {name} is not on this machine, and could not be fetched ({why}). Download from "
        f"{page} the files {files} into one folder, and name that folder: "
        "model: {weights: FOLDER}. A mirror of the hub is named by the environment variable HF_ENDPOINT.",
        where="model.weights",
        expected="a folder, or a name that can be reached",
        got=name,
        fix=f"download the files into a folder and write model: {{weights: ./{name.partition('/')[2]}}}",
    )
