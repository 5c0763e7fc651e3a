"""Distillation: a network learns from the answers of a trained one (Hinton 2015, arXiv:1503.02531, section 2).

Wrong answers are not all equally wrong: a shirt is more like a coat than like a boot. A label does not say so, but the
probabilities of a trained network, the teacher, do, all the more where a temperature above 1 brings them closer to each
other. The network also learns from the labels, and if wanted from what the teacher's last layer is given (Romero 2014,
arXiv:1412.6550, section 2.2).
The loss is our own, since in that of `keras.distillation.Distiller` weights of examples count nowhere, no penalty on
weights is added, and with features the network runs twice in each step.
Checked against: loss and gradient in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import keras
import tyro
from keras import layers, ops

from zoo.training.auxiliary import Auxiliary
from zoo.training.body import HEAD
from zoo.training.method import Whole

PROJECTION = "projected_features"


@dataclass(frozen=True)
class Distill(Whole):
    """Training with a teacher, a trained network whose classes are the same: both see the same augmented examples."""

    teacher: Path | str | None = None
    """The teacher: folder of a run, or with `weights` the name of a published network."""
    weights: Path | str | None = None
    """Weights of a published teacher: imagenet, or a file in that format."""
    digest: Annotated[str, tyro.conf.Suppress] = ""
    """Of the teacher's weights, so that other weights make another recipe; it need not be given."""
    temperature: float = 4.0
    """By what both networks' logits are divided before they are compared; higher: wrong answers count more."""
    alpha: float = 0.9
    """Share of agreement with the teacher in the loss; the rest is the task's own loss, of the labels."""
    features: float = 0.0
    """Weight of the mean squared difference between features: what the last layers are given, that of the network
    projected to the width of the teacher's; 0: they are not compared."""

    def __post_init__(self):
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"--method.temperature came as {self.temperature}, but must be above 0")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"--method.alpha came as {self.alpha}, but must be from 0 to 1")
        if not 0 <= self.features < float("inf"):
            raise ValueError(f"--method.features came as {self.features}, but must be 0 or more")
        if not self.alpha and not self.features:
            raise ValueError("--method.alpha and --method.features came as 0: then nothing is learned from the teacher")

    def taught_by(self, network: keras.Model) -> Distill:
        """The same method with the teacher's network, which no record holds."""
        copy = replace(self)
        object.__setattr__(copy, "network", network)
        return copy

    def wrap(self, model: keras.Model) -> keras.Model:
        """The network with its features as a second output, and with the loss of distillation.

        Raises:
            ValueError: there is no teacher, or the two networks do not go together.
        """
        if "network" not in vars(self):
            raise ValueError("it has no teacher: give --method.teacher RUN")
        if len(model.outputs) > 1:
            raise ValueError("it has auxiliary heads, which cannot be distilled: take a network with one output")
        if model.output.shape != self.network.output.shape:
            raise ValueError(f"its outputs are {model.output.shape}, but its teacher's {self.network.output.shape}")
        ours, theirs = features_of(model), features_of(self.network)
        if self.features:
            if ours.shape[1:-1] != theirs.shape[1:-1]:
                raise ValueError(
                    f"its features are {ours.shape[1:]}, but its teacher's {theirs.shape[1:]}, which only differ in "
                    "width where they can be compared: leave out --method.features"
                )
            if ours.shape[-1] != theirs.shape[-1]:
                ours = layers.Dense(theirs.shape[-1], use_bias=False, dtype="float32", name=PROJECTION)(ours)
        self.network.trainable = False
        teacher = keras.Model(self.network.input, [self.network.output, theirs])
        student = Distilled(model.input, [model.output, ours], name=model.name)
        # Functions, since Keras would take a network that is an attribute for a part of the student.
        student.answers, student.settings = lambda x: teacher(x, training=False), lambda: self
        return student

    def understood(self, model: keras.Model) -> list[str]:
        """Who teaches, and what."""
        size = f"{self.network.name}, {self.network.count_params():,} weights"
        terms = f"{self.alpha:.0%} of the loss is agreement with it at temperature {self.temperature:g}"
        more = f", and the difference of features counts {self.features:g} times" if self.features else ""
        return [f"teacher: {self.teacher} ({size}); {terms}{more}"]


class Distilled(Auxiliary):
    """A functional network of two outputs, logits and features, which also learns from a teacher.

    Attributes:
        answers: from inputs to the teacher's logits and features.
        settings: returns the `Distill` that made it.
    """

    answers: Callable
    settings: Callable[[], Distill]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The task's loss, and while training also what the teacher has to say; metrics and validation as without it.

        (1 - alpha) task + alpha T^2 KL(teacher || network) + features MSE + penalties on weights. T^2 keeps the size
        of the gradients, whatever the temperature T (section 2). Weights of examples count in each of the terms.
        """
        logits, features = y_pred
        own = keras.Model.compute_loss(self, x, y, logits, sample_weight, training)
        if not training:
            return own
        method, (answers, theirs) = self.settings(), self.answers(x)
        terms = method.alpha * divergence(answers, logits, method.temperature)
        if method.features:
            terms += method.features * difference(theirs, features)
        if sample_weight is not None:
            terms *= ops.cast(sample_weight, terms.dtype)
        penalties = sum(self.losses, 0.0)  # which are part of `own` too
        return (1 - method.alpha) * own + method.alpha * penalties + ops.mean(terms)


def divergence(teacher, student, temperature: float):
    """T^2 KL(softmax(teacher / T) || softmax(student / T)): (B,) from logits (B, classes).

    Its gradient is that of Hinton's cross entropy with soft targets, and it is 0 where the two agree.
    """
    teacher, student = (ops.log_softmax(ops.cast(x, "float32") / temperature) for x in (teacher, student))
    teacher = ops.stop_gradient(teacher)
    return temperature**2 * ops.sum(ops.exp(teacher) * (teacher - student), -1)


def difference(teacher, student):
    """The mean squared difference: (B,) from features (B, ..., width)."""
    squares = ops.square(ops.stop_gradient(ops.cast(teacher, "float32")) - ops.cast(student, "float32"))
    return ops.mean(squares, tuple(range(1, len(squares.shape))))


def features_of(model: keras.Model):
    """What the last layer of a network is given."""
    names = [layer.name for layer in model.layers]
    return model.get_layer(HEAD if HEAD in names else names[-1]).input
