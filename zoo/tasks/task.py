"""What a task is: everything that is particular to one kind of problem, in one place.

A verb asks the task and never which task it is. Training knows this file alone.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import keras

from zoo.errors import UserError


class Panel(ABC):
    """What TensorBoard shows of a training besides curves; written with `tf.summary`."""

    @abstractmethod
    def inputs(self, sample: tuple) -> None:
        """Shows a training batch (inputs, targets, perhaps weights), once, before the first step."""

    @abstractmethod
    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows what the network makes of the validation part after each epoch, under that step."""

    @abstractmethod
    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows the best network, at the end; `path` is the run's folder."""


class Task(ABC):
    """A frozen record of one kind of problem: its fields are flags, `--task.NAME`.

    `source` is always the source of the data (see `zoo.data.Source`), which has what the task `wants` too; `model` a
    network that passed `check`.
    """

    monitors: ClassVar[dict[str, Literal["min", "max"]]]
    """The values by which an epoch can be called the best, val_loss or val_ and the name of a metric, and which way."""
    verb: ClassVar[Literal["predict", "generate"]]
    """Which verb a trained network answers to: predict, about inputs that exist, or generate, which makes new ones."""
    usage: ClassVar[str]
    """What a person types after that verb, with `{run}` and `{inputs}` to be filled in."""
    wants: ClassVar[tuple[str, ...]]
    """What it asks of the data besides what every source has: names of attributes and methods."""
    Ask: ClassVar[type]
    """The frozen record of flags that the verb offers for this task."""

    @abstractmethod
    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError where a network does not lead from such inputs to such outputs.

        Args:
            model: built or loaded.
            spec: what the data gave its builder, such as input_shape and classes.
            labels: names of the classes; empty where there are none.
        """

    @abstractmethod
    def loss(self) -> keras.Loss:
        """What training makes small."""

    @abstractmethod
    def metrics(self) -> list[keras.Metric]:
        """What is shown while training besides the loss."""

    @abstractmethod
    def weights(self, source) -> dict[int, float] | None:
        """Keras' `class_weight`; None: all examples count the same."""

    @abstractmethod
    def panel(self, source, validation) -> Panel:
        """What TensorBoard shows; `validation` are the source's batches of validation."""

    @abstractmethod
    def report(self, model: keras.Model, source, split: str) -> dict:
        """All that is measured on a split, as JSON has it; plain numbers go into results.jsonl."""

    @abstractmethod
    def table(self, report: dict) -> str:
        """The report for a person to read."""

    @abstractmethod
    def draw(self, report: dict, path: Path) -> None:
        """The report as a picture, in a PNG file."""

    @abstractmethod
    def answers(self, model: keras.Model, source, ask: Any, inputs: list) -> Iterator[dict]:
        """What the network answers.

        Args:
            model: of a run, or published.
            source: as the run knows it; the data themselves may be gone.
            ask: an `Ask`.
            inputs: for predict one or more of what `source.read` returns, each to be answered by one dict, in order;
                for generate nothing: its dicts have the next piece under `text`.

        Raises:
            UserError: what is asked cannot be answered.
        """

    @abstractmethod
    def line(self, answer: dict) -> str:
        """One of the answers for a person to read."""


def check_goes_with(task: Task, source) -> None:
    """Names what a source lacks of what a task wants.

    Raises:
        UserError: it lacks something.
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
    """Raises ValueError where a network takes other inputs than those of the data, if these have one shape."""
    if "input_shape" in spec and shapes(model.inputs) != [list(spec["input_shape"])]:
        raise ValueError(f"its inputs are {shapes(model.inputs)}, but the data have {list(spec['input_shape'])}")


def check_tokenizer(model: keras.Model, source) -> None:
    """Raises UserError where a tokenizer knows more tokens than the network: it is not the run's own."""
    known, vocabulary = source.vocabulary_size, model.output_shape[-1]
    if known > vocabulary:
        raise UserError(
            f"the tokenizer knows {known} tokens and the network {vocabulary}: it is not the tokenizer of this run, so "
            "put that back or train the run again"
        )


def shapes(tensors) -> list[list[int | None]]:
    """The shapes of a network's inputs or outputs without the batch, as a run writes them down."""
    return [list(tensor.shape[1:]) for tensor in tensors]
