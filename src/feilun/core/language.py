"""The language in which people are spoken to: what was asked for, else what the system speaks."""

from __future__ import annotations

import os

LANGUAGES = ("en", "zh")
ASKED = "FEILUN_LANG"
NAMES = (ASKED, "LC_ALL", "LC_MESSAGES", "LANG")  # the first that is set decides, as POSIX orders the last three


def spoken(asked: str | None = None) -> str:
    """`zh` or `en`."""
    found = asked or next((os.environ[name] for name in NAMES if os.environ.get(name)), "")
    return "zh" if found.lower().startswith("zh") else "en"
