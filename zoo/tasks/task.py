"""The interface of tasks; a task has everything that is specific to one kind of problem, but its targets.

Those come from the source of the data (`zoo.data.source`): other targets need another source too.

Verbs call the task and never check which one it is. Of all tasks, training imports only this file.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import UserError

View = np.ndarray | list[str]
"""What people can look at: a picture, uint8 (height, width, 3), or some texts."""


@dataclass(frozen=True)
class Baseline:
    """What an answer that needs no network reaches on a split.

    Args:
        name: the answer, such as "always cat".
        metric: what is compared, as the task's `monitors` name it without their val_.
        value: of that metric.
    """

    name: str
    metric: str
    value: float

    def __post_init__(self):
        object.__setattr__(self, "value", float(self.value))  # so that JSON can store it, whatever NumPy gave


@dataclass(frozen=True)
class NotExplained:
    """`explain` has nothing to ask of a task whose answers are no single numbers."""


@dataclass(frozen=True)
class Aim:
    """One number of a network's answer to an input, which `explain` explains.

    Args:
        given: what the network is given, without a batch axis.
        place: where among the network's outputs for it the number stands.
        name: what it is, such as "logit of cat".
        unit: what it is measured in.
        scale: what the output is multiplied by to be in that unit.
        offset: what is then added.
    """

    given: np.ndarray
    place: tuple[int, ...]
    name: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0


class Panel(ABC):
    """What TensorBoard shows of a training besides curves, written with `tf.summary`."""

    @abstractmethod
    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows results on the validation split; called after each epoch, with the step to write under."""

    @abstractmethod
    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows results of the best network; called at the end, with the run's folder as `path`."""


class Task(ABC):
    """A frozen record of one kind of problem: its fields are flags, `--task.NAME`.

    It may have `outputs`: what a network's outputs are, in words, for those who use it in another program.
    In all methods `source` is the source of the data (see `zoo.data.Source`), which also has the attributes that the
    task `wants`, and `model` is a network that passed `check`.
    """

    monitors: ClassVar[dict[str, Literal["min", "max"]]]
    """The values that can decide which epoch is best, val_loss or val_ and the name of a metric, and which way. The
    last is what the network is for."""
    verb: ClassVar[Literal["predict", "generate"]]
    """The verb for a trained network: predict, for given inputs, or generate, to make something new."""
    usage: ClassVar[str]
    """What users type after that verb, with `{run}` and `{inputs}` to be filled in."""
    wants: ClassVar[tuple[str, ...]]
    """Names of the attributes and methods that it needs of the data beyond those of every source."""
    Ask: ClassVar[type]
    """The frozen record of the flags that the verb has for this task."""
    each_token: ClassVar[bool] = False
    """Whether each token of a text has a class, for which a network that is fine-tuned needs such a head."""
    Explain: ClassVar[type] = NotExplained
    """The frozen record of the flags that say which number of an answer `explain` explains."""

    @abstractmethod
    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError if the network's inputs or outputs do not fit the data and the task.

        Args:
            model: built or loaded.
            spec: the arguments that the data gave to its builder, such as input_shape and classes.
            labels: names of the classes; empty if there are no classes.
        """

    @abstractmethod
    def loss(self) -> keras.Loss:
        """The loss that training minimises."""

    @abstractmethod
    def metrics(self) -> list[keras.Metric]:
        """The metrics that are computed during training, besides the loss."""

    @abstractmethod
    def weights(self, source) -> dict[int, float] | None:
        """Keras' `class_weight`; None: all examples have the same weight."""

    def tuned(self) -> Task:
        """What such a network is fine-tuned to do on the data that the source's `beside` gives: the same."""
        return self

    @abstractmethod
    def look(self, source, sample: tuple) -> dict[str, View]:
        """Views of the training data by name, which `look` shows, and TensorBoard before the first step.

        Args:
            source: of the data.
            sample: a training batch: inputs, targets and possibly weights.
        """

    @abstractmethod
    def baselines(self, source, split: str) -> list[Baseline]:
        """What answers that need no network reach on a split, the plainest first.

        `fit` sets the best epoch beside those of the validation split, and `evaluate` the result.
        """

    @abstractmethod
    def panel(self, source, validation) -> Panel:
        """What TensorBoard shows; `validation` is the source's validation split."""

    @abstractmethod
    def report(self, model: keras.Model, source, split: str) -> dict:
        """Everything that is measured on a split, in types that JSON can store; plain numbers go into results.jsonl.

        Under `tables` there may be lists of rows by name, such as the answer to each example, of which the first names
        the columns: `evaluate` takes them out and writes each to a CSV file.
        """

    @abstractmethod
    def table(self, report: dict) -> str:
        """The report as readable text."""

    @abstractmethod
    def draw(self, report: dict, path: Path) -> None:
        """Draws the report to a PNG file."""

    @abstractmethod
    def answers(self, model: keras.Model, source, ask: Any, inputs: list) -> Iterator[dict]:
        """Yields the network's answers.

        Args:
            model: of a run, or published.
            source: as the run knows it; the data themselves may no longer exist.
            ask: an `Ask`.
            inputs: for predict, one or more inputs as `source.read` returns them, each of which gets one dict, in
                order; for generate, empty: each dict has the next piece of the result as `text`.

        Raises:
            UserError: the request cannot be answered.
        """

    @abstractmethod
    def line(self, answer: dict) -> str:
        """One of the answers as readable text."""

    def aim(self, model: keras.Model, source, ask: Any, given: Any) -> Aim:
        """The number to explain.

        Args:
            model: of a run, or published.
            source: as the run knows it.
            ask: an `Explain`.
            given: an input as `source.read` returns it.

        Raises:
            UserError: there is no such number, or the task's answers are no single numbers.
        """
        raise UserError(
            f"the answers of {type(self).__name__} are not explained: explain takes a run whose answer is one class "
            "(of a picture, a sound, a text, a row) or a forecast"
        )

    def bars(self, answer: dict) -> dict[str, float]:
        """An answer as shares of 1 by their names, the largest first; empty if it is no such answer."""
        return {}


def show(name: str, view: View, step: int) -> None:
    """Writes a view to TensorBoard; texts as code, so that nothing in them is interpreted as Markdown."""
    if isinstance(view, list):
        tf.summary.text(name, ["\n".join(f"    {line}" for line in text.splitlines()) for text in view], step=step)
    else:
        tf.summary.image(name, view[None], step=step)


def compared(baselines: Sequence[dict], reached: Mapping[str, float], monitors: Mapping[str, str]) -> list[str]:
    """A line about each baseline, which says so if the network is not better.

    Args:
        baselines: of the split on which the network was measured, as JSON stores a `Baseline`.
        reached: the network's values by their metrics.
        monitors: see `Task`.
    """
    lines = []
    for baseline in baselines:
        metric, value = baseline["metric"], baseline["value"]
        ahead = reached[metric] - value
        if monitors[f"val_{metric}"] == "min":
            ahead = -ahead
        equal = math.isclose(reached[metric], value, rel_tol=1e-5)  # one is of float32
        said = "; the network is as good" if equal else "" if ahead > 0 else "; the network is worse"
        shown = f"{value:.2%}" if metric in ("accuracy", "f1") else f"{value:.4f}"
        lines.append(f"baseline, {baseline['name']}: {metric} {shown}{said}")
    return lines


def check_goes_with(task: Task, source) -> None:
    """Checks that a source has everything that the task wants.

    Raises:
        UserError: it lacks something; the message names it.
    """
    lacking = [name for name in task.wants if inspect.getattr_static(source, name, None) is None]
    if lacking:
        raise UserError(
            f"{type(task).__name__} wants {', '.join(lacking)} of its data, which {type(source).__name__} lacks"
        )


def check_smoothing(label_smoothing: float) -> None:
    """Raises ValueError where a task's label smoothing is no share of a label."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"--task.label-smoothing came as {label_smoothing}, but must be from 0 to less than 1")


def check_inputs(model: keras.Model, spec: dict) -> None:
    """Raises ValueError if a network takes other inputs than those of the data: of their shape, or tokens."""
    if "vocabulary" in spec:
        if any(tensor.dtype != "int32" for tensor in model.inputs):
            raise ValueError(f"its inputs are {[tensor.dtype for tensor in model.inputs]}, but the data are tokens")
    elif shapes(model.inputs) != [list(spec["input_shape"])]:
        raise ValueError(f"its inputs are {shapes(model.inputs)}, but the data have {list(spec['input_shape'])}")


def shapes(tensors) -> list[list[int | None]]:
    """The shapes of a network's inputs or outputs without the batch axis, as lists, like those in a run's record."""
    return [list(tensor.shape[1:]) for tensor in tensors]
