"""What a classification shows in TensorBoard besides curves."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.pr_curve import summary as pr_curve

from zoo.metrics import softmax
from zoo.training import figures

CURVES = 20  # classes with a precision-recall curve of their own
FEATURES = 1000  # examples in the projector
SHOWN = 25  # pictures in a grid


class ClassificationPanel:
    """Inputs, confusion matrix, worst mistakes, precision-recall curves, features in the projector.

    Args:
        source: has `labels`, the names of the classes, and `pictures`, which shows inputs.
        validation: batches of (inputs, one-hot labels); gone through once more an epoch.
    """

    def __init__(self, source, validation: tf.data.Dataset):
        self.labels, self.pictures, self.validation = source.labels, source.pictures, validation
        self.truth = np.concatenate([targets.numpy().argmax(-1) for _, targets in validation])

    def begin(self, sample: tuple) -> None:
        """A training batch as the network sees it."""
        tf.summary.image("inputs", figures.grid(self.pictures(sample[0][:SHOWN].numpy()))[None], step=0)

    def epoch(self, model: keras.Model, step: int) -> None:
        """What the network makes of the validation part."""
        probabilities = softmax(model.predict(self.validation, verbose=0))
        said = probabilities.argmax(-1)
        confusion = np.zeros((len(self.labels),) * 2, int)
        np.add.at(confusion, (self.truth, said), 1)
        tf.summary.image("confusion", figures.confusion(confusion, self.labels)[None], step=step)
        wrong = np.flatnonzero(said != self.truth)
        worst = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")][:SHOWN]
        if len(worst):
            captions = [f"{self.labels[self.truth[i]]} as {self.labels[said[i]]}" for i in worst]
            picture = figures.grid(self.pictures(self._inputs(worst)), captions)
            tf.summary.image("worst_mistakes", picture[None], step=step)
        for label, name in list(enumerate(self.labels))[:CURVES]:
            proto = pr_curve.pb(f"class/{name}", self.truth == label, probabilities[:, label], 127)
            tf.summary.experimental.write_raw_pb(proto.SerializeToString(), step=step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Features that the best network sees in the validation part, for the projector."""
        count = min(FEATURES, len(self.truth))
        inside = keras.Model(model.input, [model.layers[-1].input, model.output])
        inputs = self._inputs(np.arange(count))
        features, logits = inside.predict(inputs, verbose=0)
        rows = [(self.labels[t], self.labels[s]) for t, s in zip(self.truth, logits.argmax(-1), strict=False)]
        folder = path / "features"
        figures.projector(
            folder, np.float32(features).reshape(count, -1), ("class", "said"), rows, self.pictures(inputs)
        )
        # A new event file: a TensorBoard that is open already looks for features only where a run has come.
        with tf.summary.create_file_writer(str(folder)).as_default():
            tf.summary.text("features", f"{count} examples of the validation part, of the best epoch", step=0)

    def _inputs(self, indices: np.ndarray) -> np.ndarray:
        """Those inputs of the validation part."""
        wanted, start = {}, 0
        for batch, _ in self.validation.as_numpy_iterator():
            inside = indices[(start <= indices) & (indices < start + len(batch))]
            wanted |= {int(i): batch[i - start] for i in inside}
            start += len(batch)
            if len(wanted) == len(indices):
                break
        return np.stack([wanted[int(i)] for i in indices])
