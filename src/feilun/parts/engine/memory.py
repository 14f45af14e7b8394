"""How much memory this process may take: what the machine has, its cgroup allows, or a resource limit says."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.25  # of it for encoded rows: the rest is for weights, activations, libraries and whoever else is there
ASSUMED = 8 << 30  # where a system does not say how much it has
ROOT = Path("/sys/fs/cgroup")


def for_rows(memory_mb: int | None = None) -> int:
    """Most bytes that encoded rows may take: `train.memory_mb`, or a quarter of what this process may take."""
    return int(SHARE * allowed()) if memory_mb is None else memory_mb << 20


def allowed() -> int:
    """Bytes: the least of physical memory, the limits of the cgroups this process is in, and its resource limits."""
    return min(_physical(), *_limits(), *_of_cgroups(Path("/proc/self/cgroup"), ROOT))


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return ASSUMED


def _limits() -> list[int]:
    """Soft limits of `ulimit -d` and `ulimit -v`."""
    try:
        import resource
    except ImportError:  # Windows
        return [ASSUMED]
    found = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
    return [limit for limit in found if limit != resource.RLIM_INFINITY] or [_physical()]


def _of_cgroups(listed: Path, root: Path) -> list[int]:
    """memory.max (version 2) or memory.limit_in_bytes (version 1) of the process's group and of every group above it.

    In a container the path is one outside of it, while its own limit stands at the root.
    """
    found = []
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    for line in lines:
        controllers, path = line.split(":", 2)[1:]
        if controllers not in ("", "memory"):
            continue
        top, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        own = top / path.lstrip("/")
        groups = [own, *own.parents]
        for file in (group / name for group in [*groups[: groups.index(top)], top]):
            text = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
            found += [int(text)] if text.isdecimal() else []
    return found
