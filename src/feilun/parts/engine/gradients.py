"""Gradients added up over processes, in buckets, while the way back is still under way.

Not torch's DistributedDataParallel: it fails where some processes leave out a branch of the network, with players that
take turns, and under torch.func. The idea of the buckets is theirs (Li et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed, nn

BUCKET_BYTES = 25 << 20  # as DistributedDataParallel has it: large enough for full speed, small enough to overlap


@dataclass(slots=True)
class _Bucket:
    """Parameters whose gradients travel together. flat: all of them one after the other, views: each in its form."""

    parameters: list[nn.Parameter]
    flat: Tensor = field(default_factory=lambda: torch.zeros(0))
    views: list[Tensor] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)  # places of gradients that this step has not made yet
    sent: Any = None


class Gradients:
    """The sums of one player's gradients. A class because buckets, hooks and what was sent belong together."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.buckets = [_Bucket(parameters=some) for some in _in_buckets(parameters)]
        self.listening = False
        self.next = 0  # bucket to be sent: every process sends them in the same order
        for bucket in self.buckets:
            for place, parameter in enumerate(bucket.parameters):
                listen: Any = parameter.register_post_accumulate_grad_hook
                listen(self._hook(bucket, place))

    def listen(self) -> None:
        """The next way back is the last one of this step: send what is complete."""
        self.listening, self.next = True, 0
        for bucket in self.buckets:
            bucket.missing = set(range(len(bucket.parameters)))
            if not bucket.views:
                _allocate(bucket)

    def add_up(self) -> None:
        """Wait until every gradient is the sum over all processes; None where no process made one."""
        self.listening = False
        made = torch.tensor(
            [parameter.grad is not None for bucket in self.buckets for parameter in bucket.parameters],
            dtype=torch.uint8,
        )
        flags = distributed.all_reduce(made, distributed.ReduceOp.MAX, async_op=True)
        for bucket in self.buckets[self.next :]:
            self._send(bucket)
        for bucket in self.buckets:
            bucket.sent.wait()
        flags.wait()
        anywhere = iter(made.tolist())
        for bucket in self.buckets:
            for parameter, view in zip(bucket.parameters, bucket.views, strict=True):
                parameter.grad = view if next(anywhere) else None

    def _hook(self, bucket: _Bucket, place: int) -> Any:
        def ready(parameter: Tensor) -> None:
            if self.listening:
                bucket.missing.discard(place)
                while self.next < len(self.buckets) and not self.buckets[self.next].missing:
                    self._send(self.buckets[self.next])
                    self.next += 1

        return ready

    def _send(self, bucket: _Bucket) -> None:
        gradients = [parameter.grad for parameter in bucket.parameters]
        there = [(view, one) for view, one in zip(bucket.views, gradients, strict=True) if one is not None]
        if len(there) < len(gradients):
            bucket.flat.zero_()
        if there:
            torch._foreach_copy_([view for view, _ in there], [one for _, one in there])
        bucket.sent = distributed.all_reduce(bucket.flat, async_op=True)


def _in_buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """From the last parameter to the first, as the way back meets them; one kind of number on one device each."""
    some: list[nn.Parameter] = []
    for parameter in reversed(parameters):
        full = sum(one.numel() * one.element_size() for one in some) >= BUCKET_BYTES
        if some and (full or (parameter.dtype, parameter.device) != (some[0].dtype, some[0].device)):
            yield some
            some = []
        some.append(parameter)
    if some:
        yield some


def _allocate(bucket: _Bucket) -> None:
    """The flat tensor, once, as new memory costs as much as sending it; and its pieces.

    The pieces have the parameters' own order in memory: fused optimizers rely on it.
    """
    first, start = bucket.parameters[0], 0
    numbers = sum(one.numel() for one in bucket.parameters)
    bucket.flat = torch.empty(numbers, dtype=first.dtype, device=first.device)
    for parameter in bucket.parameters:
        piece = bucket.flat[start : start + parameter.numel()]
        bucket.views.append(piece.as_strided(parameter.size(), parameter.stride(), piece.storage_offset()))
        start += parameter.numel()
