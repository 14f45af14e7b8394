"""Where things are kept that can be made again: the folder named by FEILUN_CACHE, or the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "FEILUN_CACHE"


def place(kind: str) -> Path:
    """The folder for things of this kind. It need not exist."""
    if os.environ.get(VARIABLE):
        found = Path(os.environ[VARIABLE]).expanduser()
    elif sys.platform == "win32":
        found = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "feilun"
    elif sys.platform == "darwin":
        found = Path.home() / "Library" / "Caches" / "feilun"
    else:
        found = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "feilun"
    return found.absolute() / kind
