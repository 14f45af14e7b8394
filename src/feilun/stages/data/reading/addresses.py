"""Addresses of sources: how one is shown, how `${NAME}` in it becomes what it stands for, and what may be repeated."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote

from feilun.core import reading
from feilun.core.errors import RecipeError

WITH_PASSWORD = re.compile(r"(://[^:/?#]*):([^/?#]*)@")  # the user, and what stands before the last @ of the host
WRITTEN_PASSWORD = re.compile(r"://[^:/?#]*:(?![^/?#@]*\$\{)[^/?#]+@")
VARIABLE = re.compile(r"\$\{([^}]*)\}")
LEAST_SECRET = 3  # characters; shorter ones would blot out half of every sentence


def shown(source: str) -> str:
    """The address as it was written, without a password."""
    return WITH_PASSWORD.sub(r"\1:***@", source)


def meant(source: str) -> str:
    """The address with `${NAME}` from the environment. A user or password may hold any character: it gets encoded.

    Raises RecipeError naming a variable that is not set.
    """
    scheme, sign, rest = source.partition("://")
    end = re.search(r"[/?#]|$", rest)
    authority, tail = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    who, at, host = authority.rpartition("@")
    reading.expand(source)
    who = VARIABLE.sub(lambda found: quote(os.environ[found[1]], safe=""), who)
    return reading.expand(scheme) + sign + who + at + reading.expand(host) + reading.expand(tail)


def refuse_password(source: str) -> None:
    """Raises RecipeError for a password that stands in the recipe itself: every run would keep it."""
    if WRITTEN_PASSWORD.search(source):
        better = WITH_PASSWORD.sub(r"\1:${PASSWORD}@", source)
        raise RecipeError(
            f"The address {shown(source)} holds its password, and every run keeps the recipe. Write {better} and set "
            "the environment variable PASSWORD.",
            where="data.source",
            expected=better,
            got=shown(source),
            fix=f"{better}, and export PASSWORD=...",
        )


def without_secrets(text: str, source: str) -> str:
    """What others say about this address, in one line, without its password and what its variables stand for."""
    text = " ".join(text.split())
    secrets = {os.environ.get(name, "") for name in VARIABLE.findall(source)}
    found = WITH_PASSWORD.search(meant(source))
    secrets |= {found[2]} if found else set()
    for secret in sorted(secrets | {form(secret) for secret in secrets for form in (unquote, quote)}, key=len):
        text = text.replace(secret, "***") if len(secret) >= LEAST_SECRET else text
    return text
