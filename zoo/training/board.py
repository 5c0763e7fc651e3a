"""TensorBoard: what is logged during training, once per epoch.

Keras' TensorBoard callback is not used: its graph is empty on Keras 3, its embeddings cannot be read by
the projector, and it cannot be rewound to the step at which a training resumes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram import metadata
from tensorboard.plugins.hparams import api as hparams

from zoo.errors import UserError
from zoo.tasks.task import Panel, View, show

BUCKETS = 30  # of a histogram


class Board(keras.callbacks.Callback):
    """Writes a run's event files: those of the validation split to `validation`, all others to the run's folder.

    TensorBoard ticks its entries only where there are at most 40, and each folder with event files is one: with these
    two a run, it shows 20 runs at once. The table of hyperparameters takes metrics of a run's folder and those below.

    Args:
        path: the run's folder.
        recipe: every setting by name.
        panel: what the task shows of the results.
        views: what the task shows of the training data.
        sample: one training batch (inputs, targets and possibly weights), on which the gradient's norm is measured.
        batch: examples per step.
        waited: returns the seconds spent waiting for data so far.
        fresh: whether this training has no saved state, so that what is written only once is written now.
        profile: first and last step to profile, or None.
    """

    def __init__(
        self,
        path: Path,
        *,
        recipe: dict[str, Any],
        panel: Panel,
        views: dict[str, View],
        sample: tuple,
        batch: int,
        waited: Callable[[], float],
        fresh: bool,
        profile: tuple[int, int] | None = None,
    ):
        super().__init__()
        self.path, self.recipe, self.panel, self.views = path, recipe, panel, views
        self.sample, self.batch = sample, batch
        self.waited, self.fresh, self.profile = waited, fresh, profile
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self._done = 0  # steps in this process
        self._profiling = False

    def writer(self, name: str):
        """A context in which tf.summary writes to the event files of "validation" or, with ".", of the run."""
        if name not in self._writers:
            self._writers[name] = tf.summary.create_file_writer(str(self.path / name))
        return self._writers[name].as_default()

    def flush(self) -> dict[str, int]:
        """Writes everything that is buffered, and returns the size of each event file by its path within the run.

        Raises:
            UserError: the files cannot be written.
        """
        try:
            for writer in self._writers.values():
                writer.flush()
        except tf.errors.OpError as error:
            raise UserError(f"cannot write event files to {self.path}: {error.message}") from error
        files = self.path.rglob("*tfevents*")
        return {file.relative_to(self.path).as_posix(): file.stat().st_size for file in files}

    def on_train_begin(self, logs=None):
        if not self.fresh:
            return
        self.fresh = False
        with self.writer("."):
            # TensorBoard shows the first few in alphabetical order, so leave out unset ones; the text below has all.
            settings = {name: value for name, value in self.recipe.items() if value != "none"}
            hparams.hparams(settings, trial_id=self.path.name)
            rows = "\n".join(f"| {name} | {value} |" for name, value in self.recipe.items())
            tf.summary.text("recipe", f"| leaf | value |\n|---|---|\n{rows}", step=0)
            call = tf.function(lambda x: self.model(x, training=False))
            inputs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), self.model.input)
            tf.summary.graph(call.get_concrete_function(inputs).graph)
            for name, view in self.views.items():
                show(name, view, 0)

    def on_epoch_begin(self, epoch, logs=None):
        self._begun, self._waited, self._steps = time.perf_counter(), self.waited(), 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.profile and not self._profiling and self._done + 1 >= self.profile[0]:
            tf.profiler.experimental.start(str(self.path))
            self._profiling = True
        if self._profiling:  # the profiler's overview page counts only steps that are marked
            self._mark = tf.profiler.experimental.Trace("train", step_num=self._done + 1, _r=1)
            self._mark.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        if self._profiling:
            self._mark.__exit__(None, None, None)
        self._ended, self._done, self._steps = (
            time.perf_counter(),
            self._done + batch + 1 - self._steps,
            batch + 1,
        )
        if self._profiling and self._done >= self.profile[1]:
            self._stop_profile()

    def on_epoch_end(self, epoch, logs=None):
        step, seconds = epoch + 1, self._ended - self._begun
        with self.writer("."):
            # Keras' ReduceLROnPlateau adds the learning rate to the logs; it is written below.
            own = {n: value for n, value in logs.items() if not n.startswith("val_") and n != "learning_rate"}
            scalars(own, step)
            scalars(
                # Prefixed, so that the five metrics in TensorBoard's table of hyperparameters are those above.
                {
                    "optimizer/learning_rate": self.model.optimizer.learning_rate,
                    "optimizer/gradient_norm": self._gradient_norm(),
                    "speed/examples_per_second": self._steps * self.batch / seconds,
                    "speed/share_waiting_for_data": (self.waited() - self._waited) / seconds,
                },
                step,
            )
            for variable in self.model.trainable_variables:
                histogram(variable.path, keras.ops.convert_to_numpy(variable), step)
        with self.writer("validation"):
            own = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
            scalars(own, step)
            self.panel.epoch(self.model, step)

    def on_train_end(self, logs=None):
        if self._profiling:
            self._stop_profile()

    def _stop_profile(self) -> None:
        tf.profiler.experimental.stop()
        self.profile, self._profiling = None, False

    def _gradient_norm(self) -> tf.Tensor:
        """The norm of the gradient of the loss on the sample, in inference mode so that no dropout seed is consumed."""
        inputs, targets, *weights = self.sample
        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(inputs, targets, self.model(inputs, training=False), *weights)
        learned = [variable.value for variable in self.model.trainable_variables]
        return tf.linalg.global_norm(tape.gradient(loss, learned))


def show_later(path: Path, name: str, view: View) -> None:
    """Writes a view of a run's network, after its training, into the run's folder."""
    with contextlib.closing(tf.summary.create_file_writer(str(path))) as writer, writer.as_default():
        show(name, view, 0)


def histogram(name: str, numbers: np.ndarray, step: int) -> None:
    """Writes how many of the numbers lie in each of the buckets; `tf.summary.histogram` takes 240 bytes a number."""
    counts, edges = np.histogram(numbers[np.isfinite(numbers)], BUCKETS)
    rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
    tf.summary.write(name, rows, step=step, metadata=metadata.create_summary_metadata(None, None))


def scalars(values: dict[str, Any], step: int) -> None:
    """Writes each value under its name."""
    for name, value in values.items():
        tf.summary.scalar(name, float(value), step=step)
