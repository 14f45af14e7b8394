"""Names on a hub: what was fetched before is found, its revision is written back; what cannot be had is spelled out."""

from __future__ import annotations

from pathlib import Path

import pytest

from feilun.core.errors import InputError
from feilun.stages.data import hub


def cached(home: Path, commit: str = "abc123") -> Path:
    """As Hugging Face's libraries keep it."""
    place = home / "hub" / "models--org--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit, encoding="utf-8")
    folder = place / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def test_what_was_fetched_before_is_taken_and_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    folder = cached(tmp_path / "home")
    for name in ("org/name", "hf:org/name", "org/name@main", "org/name@abc123"):
        found = hub.find(name, tmp_path)
        assert found is not None and found.folder == folder and found.pinned == "org/name@abc123"
    assert hub.find(found.pinned, tmp_path) == found


@pytest.mark.parametrize("place", ["models/org/name-1.5", "org/name-1___5"])
def test_what_modelscope_fetched_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    found = hub.find("modelscope:org/name-1.5", tmp_path / "elsewhere")
    assert found is not None and found.folder == folder and found.pinned == "modelscope:org/name-1.5"
    assert hub.find(found.pinned, tmp_path / "elsewhere") == found


def test_what_modelscope_has_not_fetched_is_not_sought_on_another_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="modelscope download --model org/name --revision v2"):
        hub.find("modelscope:org/name@v2", tmp_path)


def test_versions_files_and_folders_are_no_names(tmp_path: Path) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    for name in (None, "my@3", "org/name", "./there/is", "/there/is/none", "my", "a/b/c"):
        assert hub.find(name, tmp_path) is None
    (tmp_path / "org" / "name" / "config.json").write_text("{}", encoding="utf-8")
    found = hub.find("org/name", tmp_path)
    assert found is not None and found.pinned == "org/name"


@pytest.mark.parametrize("name", ["org/name@v2", "modelscope:org/name"])
def test_what_cannot_be_fetched_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"tokenizer\.json.*model: \{weights: FOLDER\}") as told:
        hub.find(name, tmp_path)
    assert "http://127.0.0.1:9" in str(told.value)
