"""A training on the machines of a Ray cluster: the same worker, started by Ray Train instead of torchrun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feilun.core.errors import InputError, MissingExtraError
from feilun.core.recipe import Train
from feilun.stages.training import worker


@contextmanager
def started(folder: Path, plan: Train) -> Iterator[Callable[[], bool]]:
    """`train.processes` workers of Ray Train, which meet in this folder: every machine must see it.

    Each takes `train.threads` processors of the cluster, 1 where left out, and a GPU where there are enough.
    """
    ray = _joined(str(plan.cluster))
    gpus = plan.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= plan.processes
    trainer = _trainer(folder, plan, gpus=bool(gpus))

    def run() -> None:
        try:
            trainer.fit()
        except Exception as error:  # the workers have left their reasons in the folder, if they came so far
            (folder / worker.LOG).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield lambda: not thread.is_alive()
    finally:
        (folder / worker.STOP).touch()
        thread.join()
        ray.shutdown()


def on_worker(config: dict[str, str]) -> None:
    """What Ray runs in each worker, once the process group is there."""
    if not worker.work_on(Path(config["folder"])):
        raise RuntimeError("This process did not come to its end; the reason is in the run's folder.")


def _joined(address: str) -> Any:
    """ray, connected. Raises MissingExtraError without it, InputError where there is no cluster."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "train.cluster needs Ray: pip install 'feilun[cluster]'",
            where="train.cluster",
            fix="pip install 'feilun[cluster]'",
        ) from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"There is no Ray cluster at {address}: {str(error).splitlines()[0]:.200}. `ray start --head` starts one "
            "on this machine, and says its address.",
            where="train.cluster",
            expected="the address of a running cluster",
            got=address,
            fix="ray start --head",
        ) from error
    return ray


def _trainer(folder: Path, plan: Train, *, gpus: bool) -> Any:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    return TorchTrainer(
        on_worker,
        train_loop_config={"folder": str(folder)},
        torch_config=TorchConfig(backend=worker.backends(gpus=gpus)),
        scaling_config=ScalingConfig(
            num_workers=plan.processes,
            use_gpu=gpus,
            resources_per_worker={"CPU": plan.threads or 1, **({"GPU": 1} if gpus else {})},
        ),
        run_config=RunConfig(storage_path=str(folder), name="ray"),
    )
