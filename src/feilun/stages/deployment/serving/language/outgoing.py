"""What every generated text passes on its way out: the filter of the recipe's owner, and the label that laws ask for.

A visible label stands behind the text (Regulation (EU) 2024/1689, Art. 50; China's measures for labelling generated
content, in force since 1 September 2025), and a header and a field say the same to machines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feilun.core import discover
from feilun.core.errors import FeilunError, InputError

if TYPE_CHECKING:
    from feilun.core.recipe import Serve

BETWEEN = "\n\n"  # text and label
HEADER = "X-AI-Generated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """Both are left out where the recipe names none."""

    label: str | None = None
    filter: Callable[[str], Any] | None = None

    def passed(self, text: str) -> str:
        """The text as it may leave. An error of the filter is an error of ours: then nothing leaves."""
        if self.filter is None:
            return text
        made = self.filter(text)
        if not isinstance(made, str):
            raise FeilunError(f"serve.output_filter gave {type(made).__name__}; expected text.")
        return made

    def behind(self, *, is_held: bool) -> str:
        """What stands behind every text but JSON that is held to a schema, which must stay JSON."""
        return "" if self.label is None or is_held else BETWEEN + self.label

    def headers(self) -> dict[str, str]:
        """Of every answer with generated text."""
        return {} if self.label is None else {HEADER: "true"}

    def facts(self) -> dict[str, str]:
        """Of the answer's JSON."""
        return {} if self.label is None else {"content_label": self.label}

    def answer(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A task's answer `{text, ...}` whose text has passed."""
        return {**answer, "text": self.passed(str(answer["text"]))}

    def labelled(self, answer: Mapping[str, Any], *, is_held: bool) -> dict[str, Any]:
        """The same with its label."""
        return {**answer, "text": str(answer["text"]) + self.behind(is_held=is_held), **self.facts()}


def of(settings: Serve) -> Outgoing:
    """Raises InputError for a filter that is not there: then nothing is served."""
    return Outgoing(label=settings.content_label, filter=_filter(settings.output_filter))


def _filter(file: str | None) -> Callable[[str], Any] | None:
    if file is None:
        return None
    path = Path(file)
    found = getattr(discover.python_file(path), "filter", None) if path.is_file() else None
    if not callable(found):
        what = "has no function `filter`" if path.is_file() else "is not there"
        raise InputError(
            f"serve.output_filter is {file!r}, which {what}; expected a Python file with `def filter(text: str) -> "
            "str`, seen from the folder in which the server is started.",
            where="serve.output_filter",
            expected="a file with `def filter(text: str) -> str`",
            got=file,
            fix="start the server beside the file, or correct the key",
        )
    return found  # type: ignore[no-any-return]
