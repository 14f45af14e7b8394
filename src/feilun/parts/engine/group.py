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

    def every(self, rows: Tensor) -> tuple[Tensor, int]:
        """The rows of all processes, (all, ...), and where ours begin; gradients go back to whose rows they are.

        rows: (B, ...), ours; every process must call it, with as many axes.
        """
        if self.size == 1:
            return rows, 0
        counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(self.size)]
        distributed.all_gather(counts, counts[0].new_tensor([len(rows)]))
        lengths = [int(count.item()) for count in counts]
        first = sum(lengths[: self.rank])
        apply: Any = _Every.apply
        made: Tensor = apply(rows, lengths, first)
        return made, first


class _Every(torch.autograd.Function):
    """Rows of all processes, one after the other: each process' gradient is the sum of what all found for its rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, lengths: list[int], first: int) -> Tensor:
        ctx.ours = slice(first, first + len(rows))
        padded = rows.new_zeros((max(lengths), *rows.shape[1:]))
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(found, padded)
        return torch.cat([part[:length] for part, length in zip(found, lengths, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].contiguous()
        distributed.all_reduce(whole)
        return whole[ctx.ours], None, None


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
