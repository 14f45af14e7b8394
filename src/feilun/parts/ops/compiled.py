"""C++ beside a Python file, compiled on first use into the user's cache folder; None where that is not possible."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from feilun.parts.ops import cache_folder

SWITCH = "FEILUN_KERNELS"  # 0: nothing is compiled or used
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
LONGEST_S = 120


def library(source: Path) -> ctypes.CDLL | None:
    """The functions of a C++ file with a C interface. Looked up once in a process; compiling takes seconds, once.

    None without a compiler, a cache folder that is the user's own, or with FEILUN_KERNELS=0: callers then do without.
    OpenMP is the one that torch has loaded, so both share their threads.
    """
    return None if os.environ.get(SWITCH) == "0" else _library(source)


@cache
def _library(source: Path) -> ctypes.CDLL | None:
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    try:
        if compiler is None:
            return None
        made = _path(source, compiler)
        if not made.is_file():
            _compile(compiler, source, made)
        if hasattr(os, "getuid") and made.stat().st_uid != os.getuid():
            return None  # somebody else's code
        return ctypes.CDLL(str(made))
    except (OSError, subprocess.SubprocessError):
        return None


def _path(source: Path, compiler: str) -> Path:
    """Named by all that decides what comes out."""
    parts = (source.read_text(encoding="utf-8"), compiler, *FLAGS, _processor())
    return cache_folder.place("kernels") / f"{source.stem}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}.so"


def _processor() -> str:
    """What -march=native looks at: a cache folder may be shared by machines."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        known = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
        return repr([known.get(key) for key in ("model name", "flags", "Features", "CPU part")])
    return f"{platform.machine()} {platform.processor()}"


def _compile(compiler: str, source: Path, made: Path) -> None:
    """All at once: another process sees the whole library or none. Raises OSError or SubprocessError."""
    made.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, fresh = tempfile.mkstemp(prefix=".making-", suffix=".so", dir=made.parent)
    os.close(handle)
    try:
        command = [compiler, *FLAGS, "-o", fresh, str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=LONGEST_S)
        Path(fresh).replace(made)
    finally:
        Path(fresh).unlink(missing_ok=True)
