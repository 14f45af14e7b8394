"""Every error a user can meet: what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class FeilunError(Exception):
    """Base of all our errors; on its own it means a fault of ours.

    message: one or two sentences a user understands.  where, expected, got and fix fill the
    error object of `--json` and of HTTP answers.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str = "", expected: str = "", got: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.where, self.expected, self.got, self.fix = where, expected, got, fix

    def to_json(self) -> dict[str, str]:
        """The `error` object of `--json` and of HTTP answers."""
        fields = {"where": self.where, "expected": self.expected, "got": self.got, "fix": self.fix}
        return {"code": self.code, "message": str(self), **fields}


class InputError(FeilunError):
    """Something the user gave does not fit: a recipe, a file, a row, a name."""

    code = "input"
    exit_code = 2


class RecipeError(InputError):
    """A recipe key or value is wrong."""

    code = "recipe"


def not_one_of(where: str, got: object, known: Iterable[object]) -> RecipeError:
    """A value that is not among those a key knows; the first of them is advised."""
    names = [str(name) for name in known]
    listed = ", ".join(names)
    message = f"{where} is {got!r}; expected one of: {listed}."
    return RecipeError(message, where=where, expected=listed, got=str(got), fix=f"use {names[0]}")


class DataError(InputError):
    """A file, a row or a value is wrong."""

    code = "data"


class MissingExtraError(InputError):
    """A package that this verb needs is not installed; the message names the pip command."""

    code = "missing_extra"


class ThresholdMissed(FeilunError):
    """The run is fine, and its score is under what the user asked for."""

    code = "threshold"
    exit_code = 3


class IntegrityError(FeilunError):
    """A saved file is not what was written."""

    code = "integrity"
    exit_code = 4


class BusyError(FeilunError):
    """Somebody else holds what this verb needs; trying again helps."""

    code = "busy"
    exit_code = 5


class Stopped(FeilunError):
    """Stopped by the user at a safe point; `feilun run` goes on from there."""

    code = "stopped"
    exit_code = 130
