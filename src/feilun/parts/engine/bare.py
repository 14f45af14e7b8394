"""Optimizers without what PyTorch wraps around them: its wrappers import the whole compiler at their first call.

That import takes as long as torch's own, and is only for telling the compiler to leave optimizers alone.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.optim import Optimizer

COMPILER = "torch._dynamo"
MARK = "__dynamo_disable"  # where torch._compile keeps the function to be called instead
METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


@contextmanager
def optimizers() -> Iterator[None]:
    """Inside, the methods of optimizers are called as they are. Nothing is changed where the compiler is loaded."""
    wrapped = [] if COMPILER in sys.modules else [inspect.unwrap(getattr(Optimizer, name)) for name in METHODS]
    marked = [method for method in wrapped if not hasattr(method, MARK)]
    for method in marked:
        setattr(method, MARK, method)
    try:
        yield
    finally:
        for method in marked:
            delattr(method, MARK)


@torch.no_grad()
def step(optimizer: Optimizer) -> None:
    """`optimizer.step()` without its hooks, of which ours have none."""
    inspect.unwrap(type(optimizer).step)(optimizer)
