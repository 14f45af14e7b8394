"""Fixtures: the tiny task installed, a bundle, a home with versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_bundle
import writing_bundle


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The tiny task is installed here and, in this environment, for other processes."""
    with tiny_bundle.installed(tmp_path_factory.mktemp("package")) as variables:
        yield variables


@pytest.fixture
def bundle(environment: dict[str, str], tmp_path: Path) -> Path:
    """A freshly packed bundle."""
    folder = tmp_path / "bundle"
    tiny_bundle.pack(folder, 1)
    return folder


@pytest.fixture
def home(environment: dict[str, str], tmp_path: Path) -> Path:
    """A home with two versions of `my`; the first serves."""
    return tiny_bundle.house(tmp_path / "home", versions=2)


@pytest.fixture(scope="session", name="talking")
def learnt_dialogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a bundle that chats is packed of."""
    return writing_bundle.learnt(tmp_path_factory.mktemp("talking") / "made")


@pytest.fixture
def talk(talking: Path, tmp_path: Path) -> Path:
    """A home with two versions of `talk`; the first serves."""
    return writing_bundle.house(tmp_path / "home", talking, versions=2)
