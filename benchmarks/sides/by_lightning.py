"""A peer: Lightning, with its fused Adam and without logger, checkpoints and progress bar."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import networks
from course import Course, Watch


def main() -> None:
    """One run; what came of it as the last line."""
    import lightning

    warnings.simplefilter("ignore")
    course = Course()
    torch.set_num_threads(2)
    torch.manual_seed(course.options["seed"])
    model, shift = networks.network(course), course.options.get("shift")
    watch = Watch(course, lambda part: networks.logits(model, course.inputs(part)))

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            inputs, truth = batch
            said = self.network(networks.shifted(inputs, shift) if shift else inputs)
            return functional.cross_entropy(said, truth, label_smoothing=course.options.get("smoothing", 0.0))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters(), lr=1.0, fused=True)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, course.rate)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        def on_train_batch_end(self, *_: Any) -> None:
            if watch.step():
                self.trainer.should_stop = True

    loader = DataLoader(TensorDataset(*networks.tensors(course)), batch_size=course.options["batch"], shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_epochs=course.options["epochs"], accelerator="cpu", enable_model_summary=False, **quiet
    )
    trainer.fit(Module(), loader)
    watch.tell()


if __name__ == "__main__":
    main()
