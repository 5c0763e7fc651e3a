"""What a network is trained to do: its loss, its metrics, and the report on what it learned."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import keras
import numpy as np

from zoo import metrics
from zoo.training import figures
from zoo.training.panels import ClassificationPanel


@dataclass(frozen=True)
class Classification:
    """One class an example: softmax cross entropy of float32 logits against one-hot labels."""

    USE: ClassVar[str] = "predict {run} {kind}..."  # what a trained network is good for

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

    def weights(self, source) -> dict[int, float] | None:
        """Keras' `class_weight`, from the labels of the source's training part."""
        if self.class_weights == "equal":
            return None
        labels, classes = source.arrays("train")[1], len(source.labels)
        counts = np.bincount(labels, minlength=classes)
        return {label: len(labels) / (classes * count) for label, count in enumerate(counts) if count}

    def panel(self, source, validation) -> ClassificationPanel:
        """What TensorBoard shows besides curves."""
        return ClassificationPanel(source, validation)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """All that `zoo.metrics.classification` reports of the network on a split of the source."""
        data = source.load(split)
        truth = np.concatenate([targets.numpy().argmax(-1) for _, targets in data])
        return metrics.classification(truth, model.predict(data, verbose=0), source.labels)

    def table(self, report: dict) -> str:
        """The report for a person to read."""
        lines = [
            f"accuracy           {report['accuracy']:.2%} of {report['examples']} examples, "
            f"95 % interval {report['accuracy_low']:.2%} to {report['accuracy_high']:.2%}",
            f"loss               {report['loss']:.4f} nats",
            f"calibration error  {report['calibration_error']:.4f}",
            "",
        ]
        width = max(5, *(len(row["name"]) for row in report["classes"]))
        lines.append(f"{'class':{width}}  precision  recall     f1  examples")
        lines += [
            f"{row['name']:{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:.3f}  "
            f"{row['examples']:8}"
            for row in report["classes"]
        ]
        if len(report["classes"]) <= figures.WRITTEN:
            cell = max(len(str(max(map(max, report["confusion"])))) + 1, 4)
            lines += ["", "confusion (rows: truth, columns: answer, in the order above)"]
            lines += [
                f"{row['name']:{width}} " + "".join(f"{count or '.':>{cell}}" for count in counts)
                for row, counts in zip(report["classes"], report["confusion"], strict=True)
            ]
        return "\n".join(lines)

    def answers(self, outputs: np.ndarray, source, labels: list[str], top: int) -> list[dict]:
        """For each row of logits (N, classes) its `top` likeliest classes, each with `label` and `probability`."""
        return [
            {"top": [{"label": labels[i], "probability": float(row[i])} for i in np.argsort(-row, kind="stable")[:top]]}
            for row in metrics.softmax(outputs)
        ]

    def line(self, answer: dict) -> str:
        """An answer for a person to read."""
        return "\t".join(f"{seen['label']} {seen['probability']:.4f}" for seen in answer["top"])

    def draw(self, report: dict, path: Path) -> None:
        """The report as a picture in a PNG file."""
        figures.report(report, path)
