"""The processes that train one network together: which rows are whose, and what is added up between them.

Every process holds the same weights and takes the same decisions. A step computes with the global batch's own slice in
each process and adds the gradients, so that n processes do what one does, up to the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from feilun.core.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """This process among those that train together; size 1: it is alone, and nothing is asked of anybody."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes files and tells people: one of them does."""
        return self.rank == 0

    def part(self, rows: int) -> slice:
        """Our slice of so many rows; all of them where there are fewer rows than processes."""
        if rows < self.size:
            return slice(0, rows)
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def holders(self, rows: int) -> int:
        """In how many processes each of so many rows is: a sum over all processes counts it so many times."""
        return self.size if rows < self.size else 1

    def total(self, number: float) -> float:
        """The sum over all processes."""
        if self.size == 1:
            return number
        numbers = torch.tensor([number], dtype=torch.float64)
        distributed.all_reduce(numbers)
        return float(numbers.item())

    def anywhere(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether it is up in any process."""
        if self.size == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.uint8)
        distributed.all_reduce(raised, distributed.ReduceOp.MAX)
        return tuple(bool(flag) for flag in raised.tolist())

    def decided(self, decide: Callable[[], Any]) -> Any:
        """What the first process decides, where each might decide otherwise: by a clock, by a measurement."""
        if self.size == 1:
            return decide()
        said = [decide() if self.rank == 0 else None]
        distributed.broadcast_object_list(said)
        return said[0]

    def wait(self) -> None:
        """Until all processes are here."""
        self.anywhere(False)

    def check_alike(self, step: int, folder: Path | None) -> None:
        """Raises InputError unless all processes found the checkpoint of the same step in this folder."""
        first = self.decided(lambda: step)
        if self.anywhere(first != step)[0]:
            raise InputError(
                f"The first process found the checkpoint of step {first}, and another one did not. {folder} must be "
                "one folder that all machines share.",
                where=str(folder),
                expected="a folder shared by all machines",
                got="different checkpoints",
                fix="name a shared folder with --home",
            )

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite these tensors, all of one kind, by those of the first process."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        distributed.broadcast(flat, 0)
        for tensor, piece in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(piece.view_as(tensor))

    def add(self, tensor: Tensor) -> Tensor:
        """The tensor, overwritten by its sum over all processes."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor


_APART: ContextVar[bool] = ContextVar("apart", default=False)


@contextmanager
def apart() -> Iterator[None]:
    """Inside, this process trains alone: to measure what it then decides for all."""
    token = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(token)


def leave() -> None:
    """Leave the group, once all are done: who leaves early tears the connections of the others."""
    distributed.barrier()
    distributed.destroy_process_group()


def current() -> Group:
    """The group of this process, as its launcher made it."""
    if _APART.get() or not (distributed.is_available() and distributed.is_initialized()):
        return Group()
    return Group(rank=distributed.get_rank(), size=distributed.get_world_size())
