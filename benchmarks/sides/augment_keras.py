"""A peer: Keras's layers on batches of pictures, through tf.data. Prints rows per second."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"
BATCH, WARM = 32, 3  # batches before the clock starts


def main() -> None:
    """One run."""
    import tensorflow
    from keras import Sequential, layers

    tensorflow.config.threading.set_intra_op_parallelism_threads(2)
    tensorflow.config.threading.set_inter_op_parallelism_threads(2)
    options: dict[str, Any] = json.loads(sys.argv[1])
    pictures = np.ascontiguousarray(np.load(options["data"]).transpose(0, 2, 3, 1))
    near: dict[str, Any] = {"fill_mode": "nearest"}
    change = Sequential(
        [
            layers.RandomRotation(40 / 360, **near),
            layers.RandomTranslation(0.2, 0.2, **near),
            layers.RandomShear(0.2, 0.2, **near),
            layers.RandomZoom(0.2, **near),
            layers.RandomFlip("horizontal"),
        ]
    )

    def changed(batch: Any) -> Any:
        return change(tensorflow.cast(batch, tensorflow.float32) / 255, training=True)

    rows = tensorflow.data.Dataset.from_tensor_slices(pictures).shuffle(len(pictures)).repeat()
    batches = iter(rows.batch(BATCH).map(changed, num_parallel_calls=2).prefetch(2))
    for _ in range(WARM):
        next(batches)
    started = time.perf_counter()
    for _ in range(options["rows"] // BATCH):
        next(batches)
    print(json.dumps({"rows_per_s": options["rows"] / (time.perf_counter() - started)}))


if __name__ == "__main__":
    main()
