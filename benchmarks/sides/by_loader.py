"""A peer: a plain PyTorch loop over a DataLoader."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import networks
from course import Course, Watch


def main() -> None:
    """One run; what came of it as the last line."""
    course = Course()
    torch.set_num_threads(2)
    torch.manual_seed(course.options["seed"])
    model = networks.network(course)
    loader = DataLoader(TensorDataset(*networks.tensors(course)), batch_size=course.options["batch"], shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=course.rate(0))
    watch = Watch(course, lambda part: networks.logits(model, course.inputs(part)))
    step, over = 0, False
    while not over:
        for inputs, truth in loader:
            for group in optimizer.param_groups:
                group["lr"] = course.rate(step)
            loss = functional.cross_entropy(model(inputs), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            over = watch.step()
            if over:
                break
    watch.tell()


if __name__ == "__main__":
    main()
