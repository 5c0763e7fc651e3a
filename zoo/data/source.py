"""Sources: real data, by name or from a user's own files, that describe themselves and yield batches."""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import tensorflow as tf

# How a sentence begins about data that a run was not trained on.
OTHER = "other data than the run was trained on (what the two share is not looked at)"


class Source(ABC):
    """A frozen record of data: its fields are flags, `--data.NAME`.

    A field whose metadata are {"local": True} only says where files are on this machine, and is not part of a run's
    id; one with {"later": True} is part of it only if it is not its default, so that fields can be added. The splits
    are called train, validation and test. The docstring of a task lists what it needs beyond this class.

    A source may have some methods more. `names(split)`: what each example of validation or test is called, such as its
    file. `other(spec, then)`: None if its files are those of a run, whose data gave `spec` to its builder and had the
    facts `then` (see `zoo.training.runs.data_facts`); else a source of all that is in them, as the split all, and a
    sentence that says so. `augmented(count, draws)`: pictures (count, 1 + draws, H, W, C) in 0..255, of training and,
    after each, what the augmentation makes of it; None if it is off. `rivals(split)`: where there are classes, the
    labels (N,) that other methods, trained on the training split, give to a split, by the name of the method.
    `right(split)`: which classes are right for each example, (N, classes) bool, if some have several; else None.
    `alternatives`: the names of fields for paths of which only one can be given.
    `features(one)`: what an input consists of, a `zoo.data.features.Features`, so that `explain` can name and draw it;
    without it, a picture has its pixels, and all else its numbers.
    `meaning`: what a network's inputs are, in words, for those who use it in another program.
    `initial()`: what weights of a new network begin with, arrays by the name of the layer whose first weight they are,
    of which a network need not have all.
    """

    batch: int
    """Examples per training step."""
    kind: ClassVar[str]
    """What one input is called, such as picture."""
    Inputs: ClassVar[type]
    """How users give inputs to a trained network: `zoo.data.inputs.Files` or `Lines`."""
    usage: str
    """The inputs in a command line for users to type, such as PICTURE..."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The name of the data in reports."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""

    @property
    @abstractmethod
    def understood(self) -> list[str]:
        """What was read, a sentence each, which `fit` prints before it trains and run.json keeps.

        Of users' files it says how many were read for each class and split, what was left out and why, ranges, order
        and whatever else a wrong reading would show in. Data sets with a name need no more than their counts.
        """

    @property
    def selection(self) -> dict:
        """Which part of the data is used, if not all of it; recorded with each result beside the name of the data."""
        return {}

    @property
    def labels(self) -> Sequence[str]:
        """The names of the classes, in the order of the network's outputs; empty if there are no classes."""
        return ()

    @property
    @abstractmethod
    def spec(self) -> dict:
        """The positional arguments of a network's builder, known before anything large is downloaded."""

    @property
    @abstractmethod
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""

    @abstractmethod
    def count(self, split: str) -> int:
        """The number of examples of a split."""

    @property
    @abstractmethod
    def epoch_size(self) -> int:
        """The number of examples that make an epoch."""

    @abstractmethod
    def load(
        self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None
    ) -> tf.data.Dataset:
        """Batches of (inputs, targets) or (inputs, targets, weights).

        Args:
            split: train (endless and shuffled), validation or test (one pass in a fixed order).
            seed: of the order and the random changes of train.
            step: index of the batch with which train starts; a batch depends only on seed and step.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """

    @abstractmethod
    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random examples of the right shape, to time training on it."""

    @abstractmethod
    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with anything that training or evaluation reads from the split."""

    def files(self) -> dict[str, str]:
        """Text files that a run keeps for later verbs, by name, such as a tokenizer."""
        return {}

    @abstractmethod
    def of_run(self, folder: Path, labels: Sequence[str]) -> Source:
        """This source as a run knows it, with the run's files and labels, even if the data no longer exist."""

    @abstractmethod
    def beside(self, folder: Path, spec: dict) -> Source:
        """A source of other data in the same form, for fine-tuning a network that was trained on this one.

        Args:
            folder: the folder of the run that trained it.
            spec: the arguments that the data gave to its builder.
        """

    def tuned(self) -> Source:
        """The kind of data on which such a network is fine-tuned, unless another is asked for: the same."""
        return self

    @property
    def passed_on(self) -> dict:
        """What a trained network keeps where it goes on with another kind of data, such as the kind of its tokens.

        Settings by their names, of which that source takes those that are fields of its own.
        """
        return {}

    @abstractmethod
    def read(self, given: Any, spec: dict) -> tuple[Any, dict]:
        """One input for a trained network.

        Args:
            given: a path, or a line of text.
            spec: the arguments that the data gave to the network's builder.

        Returns:
            The network's input, and entries to add to the answer.

        Raises:
            OSError, UserError: the input cannot be read; the message says why.
        """


def counted(source: Source) -> str:
    """The name of the data and the number of examples of each split, for `Source.understood`."""
    return f"{source.title}: " + ", ".join(f"{source.count(split):,} {split}" for split in source.splits)


def as_paths(record: Any) -> None:
    """Converts text to paths, in those fields of a frozen record that hold a path."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str) and holds_path(type(record), field.name):
            object.__setattr__(record, field.name, Path(value))


def holds_path(kind: type, name: str) -> bool:
    """Whether a field of a record is declared as a path."""
    try:
        hint = typing.get_type_hints(kind)[name]
    except NameError:  # a class of a user's own that is written inside a function
        return False
    return Path in (hint, *typing.get_args(hint))


def knowing(source: Any, **known: Any) -> Any:
    """A copy of a frozen record in which cached properties have the given values, so that they are never computed."""
    computed = [name for name in known if isinstance(getattr(type(source), name, None), cached_property)]
    if len(computed) < len(known):
        raise TypeError(f"{type(source).__name__} does not cache all of {', '.join(known)}")
    copy = dataclasses.replace(source)
    copy.__dict__.update(known)
    return copy
