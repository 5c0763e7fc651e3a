"""What a network is trained to do: its loss, its metrics, and the report on what it learned."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from zoo import metrics
from zoo.training.panels import ClassificationPanel


@dataclass(frozen=True)
class Classification:
    """One class an example: softmax cross entropy of float32 logits against one-hot labels."""

    label_smoothing: float = 0.0
    """Part of each label that is spread over all classes (Szegedy 2015, section 7), 0 to 1."""
    class_weights: Literal["equal", "balanced"] = "equal"
    """balanced: an example of a rare class counts more, so that all classes count the same."""

    def __post_init__(self):
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"--task.label-smoothing came as {self.label_smoothing}, but must be from 0 to less than 1"
            )

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    @property
    def monitors(self) -> tuple[str, ...]:
        """The values by which an epoch can be called the best."""
        return ("val_loss", "val_accuracy")

    def metrics(self) -> list[keras.Metric]:
        """What is shown while training."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def weights(self, labels: np.ndarray, classes: int) -> dict[int, float] | None:
        """Keras' `class_weight`, from the (N,) labels of the training part."""
        if self.class_weights == "equal":
            return None
        counts = np.bincount(labels, minlength=classes)
        return {label: len(labels) / (classes * count) for label, count in enumerate(counts) if count}

    def panel(self, labels: list[str], validation) -> ClassificationPanel:
        """What TensorBoard shows besides curves."""
        return ClassificationPanel(labels, validation)

    def report(self, truth: np.ndarray, logits: np.ndarray, names: list[str]) -> dict:
        """All that `zoo.metrics.classification` tells of (N,) labels and (N, classes) logits."""
        return metrics.classification(truth, logits, names)
