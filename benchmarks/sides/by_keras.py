"""A peer: Keras on TensorFlow, `model.fit` over arrays."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from course import Course, Watch

os.environ["KERAS_BACKEND"] = "tensorflow"


def main() -> None:
    """One run; what came of it as the last line."""
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(2)
    tensorflow.config.threading.set_inter_op_parallelism_threads(2)
    course = Course()
    keras.utils.set_random_seed(course.options["seed"])
    model = network(course, keras)
    smoothing, truth = course.options.get("smoothing"), course.rows["train_y"].astype(np.int64)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if smoothing:  # which Keras has for one column a class only
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        truth = np.eye(int(truth.max()) + 1, dtype=np.float32)[truth]
    model.compile(optimizer=keras.optimizers.Adam(rate(course, keras)), loss=loss)

    def logits(part: str) -> np.ndarray:
        inputs = _inputs(course, part)
        made = [model(inputs[row : row + 1000], training=False).numpy() for row in range(0, len(inputs), 1000)]
        return np.concatenate(made)

    watch = Watch(course, logits)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if watch.step():
                self.model.stop_training = True

    sizes = {"batch_size": course.options["batch"], "epochs": course.options["epochs"]}
    model.fit(_inputs(course, "train"), truth, **sizes, verbose=0, callbacks=[Stop()])
    watch.tell()


def network(course: Course, keras: Any) -> Any:
    """The sizes that ours has."""
    shape = course.rows["train_x"].shape[1:]
    layers, classes, share = keras.layers, int(course.rows["train_y"].max()) + 1, course.options.get("shift")
    if len(shape) == 3:
        moved = [layers.RandomTranslation(share, share, fill_mode="nearest")] if share else []
        body = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten()]
        first = keras.Input((*shape[1:], shape[0]))
        return keras.Sequential([first, *moved, *body, layers.Dense(128, activation="relu"), layers.Dense(classes)])
    body = [layers.Dense(width, activation="relu") for width in course.options["widths"]]
    return keras.Sequential([keras.Input(shape), *body, layers.Dense(classes)])


def rate(course: Course, keras: Any) -> Any:
    """A number, or our schedule as a table."""
    if not course.options.get("cycle"):
        return course.options["rate"]
    table = np.array([course.rate(step) for step in range(course.steps + 1)], np.float32)

    class Table(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return keras.ops.take(keras.ops.convert_to_tensor(table), keras.ops.cast(step, "int32"))

    return Table()


def _inputs(course: Course, part: str) -> np.ndarray:
    found = course.inputs(part)
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1)) if found.ndim == 4 else found


if __name__ == "__main__":
    main()
