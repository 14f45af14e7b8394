"""One training step of a small network, by ours, a recipe, Lightning or HF Trainer; prints when it was done."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ROWS, INPUTS, WIDTH = 64, 16, 64


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels."""
    drawn = np.random.default_rng(0)
    return drawn.normal(size=(ROWS, INPUTS)).astype(np.float32), drawn.integers(0, 2, ROWS)


def stamp(*_: Any, **__: Any) -> None:
    """The first step is done: say when, and leave at once."""
    os.write(1, f"{time.time()}\n".encode())
    os._exit(0)


def network() -> Any:
    """The same for all."""
    from torch import nn

    return nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2))


def ours() -> None:
    """Through `fit`."""
    from torch.nn import functional

    from feilun.core.recipe import Train
    from feilun.parts.engine.fit import fit
    from feilun.parts.engine.plan import Index, Learning

    def objective(networks: Any, batch: Any, player: str) -> Any:
        return functional.cross_entropy(networks[player](batch["x"]), batch["y"], reduction="none")

    inputs, labels = rows()
    plan = Train(epochs=1, batch_size=ROWS)
    learning, index = Learning(objective=objective), Index(train=np.arange(ROWS))
    fit({"main": network()}, {"x": inputs, "y": labels}, index, learning, plan)
    stamp()


def run() -> None:
    """`feilun run` of a recipe on a table, as typed."""
    drawn = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}" for a, b in drawn.normal(size=(400, 2))]
    Path("table.csv").write_text("\n".join(["a,b,answer", *lines]) + "\n")
    Path("my.yaml").write_text("data: {source: table.csv}\ntarget: answer\nmodel: mlp\ntrain: {epochs: 1}\n")
    from feilun.cli.main import main
    from feilun.parts.engine import stepping

    step = stepping.Stepper.step

    def first(*args: Any) -> None:
        step(*args)
        stamp()

    stepping.Stepper.step = first  # type: ignore[method-assign, assignment]
    main(["run", "my.yaml", "--quiet"])


def lightning() -> None:
    """With nothing that it need not do."""
    import lightning
    import torch
    from torch.nn import functional
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network()

        def training_step(self, batch: Any, number: int) -> Any:
            return functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3, fused=True)

        def on_train_batch_end(self, *_: Any) -> None:
            stamp()

    inputs, labels = rows()
    loader = DataLoader(TensorDataset(torch.from_numpy(inputs), torch.from_numpy(labels)), batch_size=ROWS)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet).fit(Module(), loader)


def trainer() -> None:
    """With nothing saved and nothing logged."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import Dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments

    inputs, labels = (torch.from_numpy(part) for part in rows())

    class Rows(Dataset[Any]):
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> Any:
            return {"inputs": inputs[row], "labels": labels[row]}

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network()

        def forward(self, inputs: Any, labels: Any) -> Any:
            return {"loss": functional.cross_entropy(self.network(inputs), labels)}

    class Stamp(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            stamp()

    plan = TrainingArguments(
        output_dir=".",
        per_device_train_batch_size=ROWS,
        max_steps=1,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(model=Model(), args=plan, train_dataset=Rows(), callbacks=[Stamp()]).train()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"ours": ours, "run": run, "lightning": lightning, "trainer": trainer}[sys.argv[1]]()
