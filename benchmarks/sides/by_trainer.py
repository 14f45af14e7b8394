"""A peer: the Hugging Face Trainer, with its fused AdamW, nothing saved and nothing logged."""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

import networks
from course import Course, Watch


class Rows(Dataset[dict[str, Tensor]]):
    """Rows as the Trainer wants them."""

    def __init__(self, inputs: Tensor, truth: Tensor) -> None:
        self.inputs, self.truth = inputs, truth

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"inputs": self.inputs[row], "labels": self.truth[row]}


class Model(nn.Module):
    """A network that gives its own loss."""

    def __init__(self, network: nn.Module, shift: float | None, smoothing: float) -> None:
        super().__init__()
        self.network, self.shift, self.smoothing = network, shift, smoothing

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits."""
        said = self.network(networks.shifted(inputs, self.shift) if self.shift else inputs)
        return {"loss": functional.cross_entropy(said, labels, label_smoothing=self.smoothing), "logits": said}


def main() -> None:
    """One run; what came of it as the last line."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    warnings.simplefilter("ignore")
    course = Course()
    torch.set_num_threads(2)
    torch.manual_seed(course.options["seed"])
    model = networks.network(course)
    watch = Watch(course, lambda part: networks.logits(model, course.inputs(part)))

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            control.should_training_stop = watch.step()
            return control

    whole = Model(model, course.options.get("shift"), course.options.get("smoothing", 0.0))
    optimizer = torch.optim.AdamW(whole.parameters(), lr=1.0, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, course.rate)
    with tempfile.TemporaryDirectory() as place:
        plan = TrainingArguments(
            output_dir=place,
            per_device_train_batch_size=course.options["batch"],
            num_train_epochs=course.options["epochs"],
            seed=course.options["seed"],
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        rows = Rows(*networks.tensors(course))
        Trainer(whole, plan, train_dataset=rows, optimizers=(optimizer, schedule), callbacks=[Stop()]).train()
    watch.tell()


if __name__ == "__main__":
    main()
