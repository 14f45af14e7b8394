"""How much memory this process may take: what the machine has, its cgroup allows, or a resource limit says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feilun.core.errors import InputError
from feilun.core.recipe import Train

SHARE = 0.25  # of it for encoded rows: the rest is for weights, activations, libraries and whoever else is there
ASSUMED = 8 << 30  # where a system does not say how much it has
ROOT = Path("/sys/fs/cgroup")
OVER = ("out of memory", "not enough memory", "can't allocate memory")  # in torch's words


def for_rows(memory_mb: int | None = None) -> int:
    """Most bytes that encoded rows may take: `train.memory_mb`, or a quarter of what this process may take."""
    return int(SHARE * allowed()) if memory_mb is None else memory_mb << 20


def allowed() -> int:
    """Bytes: the least of physical memory, the limits of the cgroups this process is in, and its resource limits."""
    return min(_physical(), *_limits(), *_of_cgroups(Path("/proc/self/cgroup"), ROOT))


@contextmanager
def told(plan: Train) -> Iterator[None]:
    """Say what helps where a training asks for more memory than there is, of a processor or of a GPU."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in OVER):
            raise
        fix = f"train.batch_size: {max(1, plan.batch_size // 2)}"
        raise InputError(
            "The training does not fit into memory. A smaller train.batch_size or model would; train.accumulate keeps "
            "the batch and takes it in parts, train.recompute keeps less of each layer.",
            where="train.batch_size",
            expected="a batch that fits into memory",
            got=f"batch_size {plan.batch_size}, accumulate {plan.accumulate}",
            fix=fix,
        ) from error


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
