"""What a verb is, what it is given and what it gives back; light enough for `feilun --help`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feilun.core.protocols import Say


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The global flags. home: where runs lie, not yet checked to exist."""

    home: Path
    say: Say
    usage: Callable[[str], str | None]  # a verb's help, None if there is no such verb
    lang: str = "en"
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    yes: bool = False
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a verb gives back: `text` for people, `value` for `--json`, and the one next step."""

    value: Any = None
    text: str = ""
    name: str = ""
    version: str = ""
    run: str = ""
    warnings: Sequence[str] = ()
    next: str = ""
    exit_code: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Argument:
    """One argument of a verb, in argparse's words. The last name, without dashes, is the function's parameter."""

    names: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def parameter(self) -> str:
        """The parameter of the verb's function that it fills."""
        return str(self.options.get("dest", self.names[-1].lstrip("-").replace("-", "_")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One word after `feilun`. call(context, **arguments) -> Result.  changes: it knows `--dry-run`."""

    name: str
    group: str
    summary: str
    call: Callable[..., Result]
    arguments: tuple[Argument, ...] = ()
    changes: bool = False
    example: str = ""


def argument(*names: str, **options: Any) -> Argument:
    """`argument("--target", help="the column to predict")`."""
    return Argument(names=names, options=options)
