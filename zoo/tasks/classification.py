"""Classification: one class per example, whether the inputs are pictures, sounds or something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf
import tyro
from keras import ops
from tensorboard.plugins.pr_curve import summary as pr_curve

from zoo import metrics
from zoo.errors import UserError, nearest
from zoo.tasks import figures
from zoo.tasks.task import Aim, Baseline, Panel, Task, View, check_inputs, check_smoothing, compared, shapes, show

BATCH = 64  # inputs per batch in `answers`
CURVES = 20  # classes that get a precision-recall curve, at most
FEATURES = 1000  # examples in the projector, at most
IN_GRID = 25  # pictures in a grid of TensorBoard, at most


@dataclass(frozen=True)
class Top:
    """What to ask of a classifier."""

    top: int = 1
    """Number of most likely classes to print."""

    def __post_init__(self):
        if self.top < 1:
            raise ValueError(f"--top came as {self.top}, but must be at least 1")


@dataclass(frozen=True)
class OneClass:
    """Which class an explanation is about."""

    label: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """Name of the class whose logit is explained; by default the class that the network answers."""


@dataclass(frozen=True)
class Classification(Task):
    """One class per example: softmax cross entropy of float32 logits (B, classes) against one-hot labels.

    Where several classes are right for an example, its targets are equal parts of 1, and any of them is right.
    Of the source it wants `views(inputs)`, the inputs in a form that can be shown (pictures (N, H, W, C) in 0..255, or
    a list of texts), and `arrays(split)`, the second part of which is the labels, (N,). It may have `augmented`,
    `rivals` and `right`.
    """

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min", "val_accuracy": "max"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = "a logit for each class, in the order of the labels; their softmax are probabilities"
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = ("views", "arrays")
    Ask: ClassVar[type] = Top
    Explain: ClassVar[type] = OneClass

    label_smoothing: float = 0.0
    """Fraction of each label that is spread over all classes (Szegedy 2015, section 7), 0 to 1."""
    class_weights: Literal["equal", "balanced"] = "equal"
    """balanced: examples of rare classes get a higher weight, so that all classes count the same in total."""

    def __post_init__(self):
        check_smoothing(self.label_smoothing)

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network maps inputs of the data's shape to one number per class."""
        if spec["classes"] != len(labels):
            raise ValueError(f"there are {len(labels)} labels, but {spec['classes']} classes")
        check_inputs(model, spec)
        if is_softmax(model.layers[-1]):
            raise ValueError(
                f"its last layer {model.layers[-1].name} is a softmax, which the loss does by itself: leave it out"
            )
        if shapes(model.outputs)[0] != [spec["classes"]]:
            raise ValueError(f"its outputs are {shapes(model.outputs)[0]}, but the data have {spec['classes']} classes")

    def loss(self) -> keras.Loss:
        """Mean cross entropy in nats."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def metrics(self) -> list[keras.Metric]:
        """The accuracy."""
        return [keras.metrics.MeanMetricWrapper(hits, name="accuracy")]

    def weights(self, source) -> dict[int, float] | None:
        """Keras' `class_weight`, computed from the labels of the training split."""
        if self.class_weights == "equal":
            return None
        labels, classes = source.arrays("train")[1], len(source.labels)
        counts = np.bincount(labels, minlength=classes)
        return {label: len(labels) / (classes * count) for label, count in enumerate(counts) if count}

    def look(self, source, sample: tuple) -> dict[str, View]:
        """Training examples as the network sees them, each with its class, and what the augmentation makes of some."""
        inputs, targets = (part[:IN_GRID].numpy() for part in sample[:2])
        captions = [source.labels[label] for label in targets.argmax(-1)]
        views = {"inputs": figures.sheet(source.views(inputs), captions)}
        sheet = figures.augmentation_sheet(source)
        return views if sheet is None else views | {"augmentation": sheet}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The most frequent class of the split as the answer to everything, and what the source's `rivals` answer."""
        truth = source.arrays(split)[1]
        right = right_of(source, split)
        right = np.eye(len(source.labels), dtype=bool)[truth] if right is None else right
        counts = right.sum(0)
        always = source.labels[counts.argmax()]
        rivals = getattr(source, "rivals", None)  # no part of the contract
        return [
            Baseline(f"always {always} (the most frequent class)", "accuracy", counts.max() / len(truth)),
            *(
                Baseline(name, "accuracy", right[np.arange(len(truth)), answers].mean())
                for name, answers in (rivals(split) if rivals else {}).items()
            ),
        ]

    def panel(self, source, validation) -> ClassificationPanel:
        """What TensorBoard shows besides curves."""
        return ClassificationPanel(source, validation)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """See `zoo.metrics.classification`, for the network on a split of the source.

        The tables say of each example what it is called, the true class, the answer and its probability; in mistakes
        the most confident come first. Under `baselines`, what answers without a network reach. The true class of an
        example for which several are right is the one that was answered, if it is one of them; how many such examples
        there are is in `several`.
        """
        data = source.load(split)
        logits, right = model.predict(data, verbose=0), right_of(source, split)
        truth = answered(truth_of(data), right, logits.argmax(-1))
        several = {} if right is None else {"several": int((right.sum(-1) > 1).sum())}
        return (
            several
            | metrics.classification(truth, logits, source.labels)
            | {
                "baselines": [vars(baseline) for baseline in self.baselines(source, split)],
                "tables": tables(names_of(source, split, len(truth)), truth, logits, source.labels),
            }
        )

    def table(self, report: dict) -> str:
        """The report as readable text."""
        lines = [
            f"accuracy           {report['accuracy']:.2%} of {report['examples']} examples, "
            f"95 % interval {report['accuracy_low']:.2%} to {report['accuracy_high']:.2%}",
            *(
                [f"several classes    are right for {report['several']} examples, of which any counts as right"]
                if "several" in report
                else []
            ),
            f"F1                 {report['macro_f1']:.4f} macro, {report['weighted_f1']:.4f} weighted",
            f"loss               {report['loss']:.4f} nats",
            f"calibration error  {report['calibration_error']:.4f}",
            *compared(report["baselines"], report, self.monitors),
            "",
        ]
        width = max(5, *(len(row["name"]) for row in report["classes"]))
        lines.append(f"{'class':{width}}  precision  recall     f1  examples")
        lines += [
            f"{row['name']:{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:.3f}  "
            f"{row['examples']:8}"
            for row in report["classes"]
        ]
        answers, examples = np.sum(report["confusion"], 0), [row["examples"] for row in report["classes"]]
        if np.count_nonzero(answers) == 1 and np.count_nonzero(examples) > 1:
            always = report["classes"][answers.argmax()]["name"]
            lines += [
                "",
                f"every answer is {always}: the network tells no class from another; train it longer or with another "
                "--optimizer.rate, and look at what it was given",
            ]
        if len(report["classes"]) <= figures.WRITTEN:
            cell = max(len(str(max(map(max, report["confusion"])))) + 1, 4)
            lines += ["", "confusion (rows: truth, columns: answer, in the order above)"]
            lines += [
                f"{row['name']:{width}} " + "".join(f"{count or '.':>{cell}}" for count in counts)
                for row, counts in zip(report["classes"], report["confusion"], strict=True)
            ]
        return "\n".join(lines)

    def answers(self, model: keras.Model, source, ask: Top, inputs: list) -> Iterator[dict]:
        """For each input, under `top`, its `ask.top` most likely classes, each with `label` and `probability`."""
        for start in range(0, len(inputs), BATCH):
            batch = inputs[start : start + BATCH]
            # The last batch is padded, so that all have the same shape and use the same compiled function.
            full = np.zeros((BATCH, *batch[0].shape), batch[0].dtype)
            full[: len(batch)] = batch
            for row in metrics.softmax(model.predict_on_batch(full)[: len(batch)]):
                order = np.argsort(-row, kind="stable")[: ask.top]
                yield {"top": [{"label": source.labels[i], "probability": float(row[i])} for i in order]}

    def line(self, answer: dict) -> str:
        """An answer as readable text."""
        return "\t".join(f"{item['label']} {item['probability']:.4f}" for item in answer["top"])

    def aim(self, model: keras.Model, source, ask: OneClass, given: np.ndarray) -> Aim:
        """The logit of the class that was asked for, or of the answer."""
        labels = list(source.labels)
        if ask.label is not None and ask.label not in labels:
            raise UserError(f"--class came as {ask.label!r}, which is no class of the run{nearest(ask.label, labels)}")
        answer = int(ops.convert_to_numpy(model(ops.convert_to_tensor(given[None]), training=False))[0].argmax())
        place = answer if ask.label is None else labels.index(ask.label)
        name = f"logit of {labels[place]}"
        said = f"{name} (the answer)" if place == answer else f"{name} (the answer is {labels[answer]})"
        return Aim(given, (place,), said, "logit")

    def bars(self, answer: dict) -> dict[str, float]:
        """The most likely classes with their probabilities."""
        return {item["label"]: item["probability"] for item in answer["top"]}

    def draw(self, report: dict, path: Path) -> None:
        """Draws the report to a PNG file."""
        figures.report(report, path)


def hits(targets, logits):
    """1 where the most likely class is right, else 0: (B,) from targets and logits (B, classes)."""
    said = ops.take_along_axis(targets, ops.argmax(logits, -1)[:, None], 1)[:, 0]
    return ops.cast(said >= ops.max(targets, -1), "float32")


def right_of(source, split: str) -> np.ndarray | None:
    """Which classes are right for each example, (N, classes) bool, as the source says; None if each has but one."""
    right = getattr(source, "right", None)  # no part of the contract
    return right(split) if right else None


def answered(truth: np.ndarray, right: np.ndarray | None, answers: np.ndarray) -> np.ndarray:
    """The true classes (N,), where several are right the one that was answered."""
    return truth if right is None else np.where(right[np.arange(len(truth)), answers], answers, truth)


def truth_of(data: tf.data.Dataset) -> np.ndarray:
    """The labels (N,) of batches of (inputs, one-hot labels)."""
    return np.concatenate([targets.numpy().argmax(-1) for _, targets in data])


def is_softmax(layer: keras.Layer) -> bool:
    """Whether a layer gives probabilities, where the loss wants logits."""
    activation = layer.get_config().get("activation") if isinstance(layer, keras.layers.Dense) else None
    names = (activation, getattr(layer, "activation", None))
    return isinstance(layer, keras.layers.Softmax) or keras.activations.softmax in names or "softmax" in names


def names_of(source, split: str, count: int) -> list[str]:
    """What the examples of a split are called: as the source says, if it has `names`; else by their numbers from 0."""
    names = getattr(source, "names", None)
    return names(split) if callable(names) else [f"{split}[{number}]" for number in range(count)]


def tables(names: list[str], truth: np.ndarray, logits: np.ndarray, labels: Sequence[str]) -> dict[str, list[tuple]]:
    """The predictions and the mistakes, each as rows of which the first names the columns.

    Args:
        names: N names of examples.
        truth: (N,) labels.
        logits: (N, classes).
        labels: the names of the classes.
    """
    probabilities = metrics.softmax(logits)
    answers, confidence = probabilities.argmax(-1), probabilities.max(-1)
    columns = ("input", "truth", "answer", "confidence")
    rows = [
        (name, labels[true], labels[answer], round(float(sure), 6))
        for name, true, answer, sure in zip(names, truth, answers, confidence, strict=True)
    ]
    wrong = np.flatnonzero(answers != truth)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    return {"predictions": [columns, *rows], "mistakes": [columns, *(rows[place] for place in wrong)]}


class ClassificationPanel(Panel):
    """Shows confusion matrix, worst mistakes, precision-recall curves, and features in the projector.

    Args:
        source: has `labels`, the names of the classes, and `views`.
        validation: batches of (inputs, one-hot labels); read once more per epoch.
    """

    def __init__(self, source, validation: tf.data.Dataset):
        self.labels, self.views, self.validation = source.labels, source.views, validation
        self.only, self.right = truth_of(validation), right_of(source, "validation")
        self.truth = self.only

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows the network's results on the validation split."""
        probabilities = metrics.softmax(model.predict(self.validation, verbose=0))
        predicted = probabilities.argmax(-1)
        self.truth = answered(self.only, self.right, predicted)
        confusion = np.zeros((len(self.labels),) * 2, int)
        np.add.at(confusion, (self.truth, predicted), 1)
        tf.summary.image("confusion", figures.confusion(confusion, self.labels)[None], step=step)
        wrong = np.flatnonzero(predicted != self.truth)
        worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:IN_GRID]
        if len(worst):
            captions = [f"{self.labels[self.truth[i]]} as {self.labels[predicted[i]]}" for i in worst]
            show("worst_mistakes", figures.sheet(self.views(self._examples(worst)), captions), step)
        for label, name in list(enumerate(self.labels))[:CURVES]:
            proto = pr_curve.pb(f"class/{name}", self.truth == label, probabilities[:, label], 127)
            tf.summary.experimental.write_raw_pb(proto.SerializeToString(), step=step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Writes the features that the best network computes for the validation split, for the projector."""
        count = min(FEATURES, len(self.truth))
        inside = keras.Model(model.input, [model.layers[-1].input, model.output])
        inputs = self._examples(np.arange(count))
        features, logits = inside.predict(inputs, verbose=0)
        rows = [(self.labels[t], self.labels[s]) for t, s in zip(self.truth, logits.argmax(-1), strict=False)]
        figures.projector(path, np.float32(features).reshape(count, -1), ("class", "said"), rows, self.views(inputs))

    def _examples(self, indices: np.ndarray) -> np.ndarray:
        """The inputs of the validation split at these indices."""
        wanted, start = {}, 0
        for batch, _ in self.validation.as_numpy_iterator():
            inside = indices[(start <= indices) & (indices < start + len(batch))]
            wanted |= {int(i): batch[i - start] for i in inside}
            start += len(batch)
            if len(wanted) == len(indices):
                break
        return np.stack([wanted[int(i)] for i in indices])
