"""What a source is: real data by name or from a person's own files, which say what they are and yield batches."""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf


class Source(ABC):
    """A frozen record of data: its fields are flags, `--data.NAME`.

    A field whose metadata are {"local": True} says only where things lie on this machine, and is no part of a run's
    id. Parts are called train, validation and test. What a task asks for besides is in the task's docstring.
    """

    batch: int
    """Examples a training step."""
    kind: ClassVar[str]
    """What one input is called, such as picture."""
    Inputs: ClassVar[type]
    """How a person gives inputs to a trained network: `zoo.data.inputs.Files` or `Lines`."""
    usage: ClassVar[str]
    """Inputs for a person to type, such as PICTURE..."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What the data are called in a report."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What `fit` says of the data at its end besides the counts."""

    @property
    @abstractmethod
    def selection(self) -> dict:
        """What of the data is taken, where that is not all: a result says it beside their name."""

    @property
    @abstractmethod
    def labels(self) -> Sequence[str]:
        """Names of the classes, in the order of the network's outputs; empty where there are none."""

    @property
    @abstractmethod
    def spec(self) -> dict:
        """The positional arguments of a network's builder, known before anything large is downloaded."""

    @property
    @abstractmethod
    def splits(self) -> dict[str, str]:
        """The parts train, validation and test, and where each comes from."""

    @abstractmethod
    def count(self, split: str) -> int:
        """Examples of a part."""

    @property
    @abstractmethod
    def epoch_size(self) -> int:
        """Examples that count as an epoch."""

    @abstractmethod
    def load(
        self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None
    ) -> tf.data.Dataset:
        """Batches of (inputs, targets) or (inputs, targets, weights).

        Args:
            split: train, for ever and shuffled; validation or test, one pass in a fixed order.
            seed: decides order and random changes of train.
            step: at which of its batches train starts; batches follow from seed and step alone.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """

    @abstractmethod
    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random examples of the right shape, to time what takes it."""

    @abstractmethod
    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with whatever a training or a measurement reads of the part."""

    @abstractmethod
    def files(self) -> dict[str, str]:
        """Text files that a run keeps of the data, by name, such as a tokenizer."""

    @abstractmethod
    def of_run(self, folder: Path, labels: Sequence[str]) -> Source:
        """The same as a run knows it: with what its folder keeps and with its labels, though the data may be gone."""

    @abstractmethod
    def beside(self, folder: Path, spec: dict) -> Source:
        """A source of other data of the same form, for a network that was trained on this one.

        Args:
            folder: of the run that trained it.
            spec: what the data gave its builder.
        """

    @abstractmethod
    def find(self, folder: Path) -> Iterable[Path]:
        """The files below a person's folder that `read` can read."""

    @abstractmethod
    def read(self, given: Any, spec: dict) -> tuple[Any, dict]:
        """One input for a trained network.

        Args:
            given: a path, or a line of text.
            spec: what the data gave the network's builder.

        Returns:
            What the network takes, and what else is to be said of the input.

        Raises:
            OSError: it cannot be read; the text says why.
        """


def as_paths(record: Any) -> None:
    """Turns text into paths, in the fields of a frozen record that hold a path."""
    hints = typing.get_type_hints(type(record))
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str) and Path in (hints[field.name], *typing.get_args(hints[field.name])):
            object.__setattr__(record, field.name, Path(value))


def knowing(source: Any, **known: Any) -> Any:
    """A copy of a frozen record whose cached properties have these values, and so are never computed."""
    copy = dataclasses.replace(source)
    copy.__dict__.update(known)
    return copy
