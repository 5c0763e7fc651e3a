"""Examples with one class each that are already in memory: NumPy arrays, or a `tf.data.Dataset`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import tensorflow as tf
import tyro

from zoo.data.inputs import AT_ONCE, Files, Read, in_batches
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.source import Source, counted, knowing
from zoo.errors import UserError

EVALUATED = 250  # examples per batch of validation and test
HELD_OUT = 0.1  # share of each class for validation, and as much for test, where they are not given
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Examples(Files):
    """Examples in memory, or .npy files of one example each."""

    examples: Annotated[Any, tyro.conf.Suppress] = None
    """Examples from Python instead, (N, ...)."""

    @classmethod
    def of(cls, given: np.ndarray | Iterable) -> Examples:
        """A record of an array (N, ...), a list of examples, or of paths."""
        if isinstance(given, str | Path) or (
            isinstance(given, list | tuple) and isinstance(next(iter(given), 0), str | Path)
        ):
            return super().of(given)
        return cls(examples=given)

    def read(self, source, spec: dict) -> Iterator[list[Read]]:
        """Reads the examples in batches.

        Raises:
            UserError: there are none.
        """
        if self.examples is None:
            yield from super().read(source, spec)
            return
        numbered = enumerate(self.examples)
        yield from in_batches(
            (({"example": at}, checked(np.asarray(one), tuple(spec["input_shape"]))) for at, one in numbered), AT_ONCE
        )


@dataclass(frozen=True, eq=False)
class Arrays(Source):
    """Examples with one class each, in memory.

    The record of a run holds the shape and a digest of each array, not the numbers: other numbers make another run,
    and `evaluate` needs `source=` passed again. `predict` needs nothing.

    Args:
        x: (N, ...) numbers. Of pictures (N, H, W, C) the networks of this package want pixels in 0..255.
        y: (N,) numbers of the classes from 0 on, (N,) their names, or (N, classes) with a single 1 in each row.
        validation: (x, y) to select an epoch with; None: a tenth of each class, drawn from x by chance.
        test: (x, y) that only `evaluate` reads; None: likewise. Give both where examples belong together, such as
            several pictures of one person, which chance would part.
        names: of the classes in the order of their numbers; by default those in y, or their numbers.
        batch: examples per training step; all of them if there are fewer.
    """

    x: Annotated[np.ndarray, tyro.conf.Suppress]
    y: Annotated[np.ndarray, tyro.conf.Suppress]
    validation: Annotated[tuple | None, tyro.conf.Suppress] = None
    test: Annotated[tuple | None, tyro.conf.Suppress] = None
    names: tuple[str, ...] = ()
    """Names of the classes."""
    batch: int = 64
    """Examples per training step; all of them if there are fewer."""

    kind: ClassVar[str] = "example"
    meaning: ClassVar[str] = "numbers as the arrays had them on which the run was trained"
    Inputs: ClassVar[type] = Examples
    usage: ClassVar[str] = "EXAMPLE.npy..."
    title: ClassVar[str] = "arrays"

    def __post_init__(self):
        if self.batch < 1:
            raise UserError(f"batch came as {self.batch}, but must be at least 1")
        for part in ("validation", "test"):
            if getattr(self, part) is not None and len(getattr(self, part)) != 2:
                raise UserError(f"{part} came with {len(getattr(self, part))} arrays: wanted (x, y)")
            if getattr(self, part) is not None:
                object.__setattr__(self, part, tuple(map(np.asarray, getattr(self, part))))
        object.__setattr__(self, "x", np.asarray(self.x))
        object.__setattr__(self, "y", np.asarray(self.y))
        for name, (x, y) in self._given.items():
            check(name, x, y)
            if x.shape[1:] != self.x.shape[1:]:
                raise UserError(f"examples of {name} are {x.shape[1:]}, but those of x {self.x.shape[1:]}")

    @classmethod
    def of(
        cls,
        train: tf.data.Dataset,
        *,
        validation: tf.data.Dataset | None = None,
        test: tf.data.Dataset | None = None,
        **more,
    ) -> Arrays:
        """Reads datasets of (x, y) into memory, whether batched or not.

        Args:
            train: finite, and best not shuffled: another order makes another run.
            validation: likewise, or None.
            test: likewise, or None.
            more: the other fields, such as names.

        Raises:
            UserError: one is endless, or does not yield pairs.
        """
        held = {"validation": validation, "test": test}
        return cls(
            *in_memory(train), **{name: in_memory(data) for name, data in held.items() if data is not None}, **more
        )

    @property
    def _given(self) -> dict[str, Split]:
        """The arrays as they were given."""
        held = {"validation": self.validation, "test": self.test}
        return {"train": (self.x, self.y)} | {name: pair for name, pair in held.items() if pair is not None}

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return f"{len(self.labels)} classes"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        low, high = self.x.min(), self.x.max()
        said = [counted(self), f"x is {self.x.dtype} {self.x.shape} from {low:.6g} to {high:.6g}"]
        if self.x.ndim == 4 and low >= 0 and high <= 1:
            said.append("pictures from 0 to 1 look black to the networks of this package, which want 0 to 255")
        counts = np.bincount(self._numbers(self.y), minlength=len(self.labels))
        said.append("classes: " + ", ".join(f"{n} {c:,}" for n, c in list(zip(self.labels, counts, strict=True))[:20]))
        cut = [name for name in ("validation", "test") if name not in self._given]
        if cut:
            said.append(f"{' and '.join(cut)} {'were' if cut[1:] else 'was'} drawn from x by chance")
        return said

    @cached_property
    def labels(self) -> list[str]:
        """The names of the classes, in the order of the network's outputs."""
        if self.names:
            return list(self.names)
        if self.y.dtype.kind in "US":
            return sorted({str(name) for name in self.y})
        count = self.y.shape[1] if self.y.ndim == 2 else max(int(y.max()) for _, y in self._given.values()) + 1
        return [str(number) for number in range(count)]

    @cached_property
    def spec(self) -> dict:
        """The positional arguments of a network's builder."""
        return {"input_shape": self.x.shape[1:], "classes": len(self.labels)}

    @cached_property
    def splits(self) -> dict[str, str]:
        """Which splits were given, and which were drawn from x."""
        return {name: "given" if name in self._given else "drawn" for name in ("train", "validation", "test")}

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        """The indices of the examples of x that belong to each split."""
        drawn = [name for name in ("validation", "test") if name not in self._given]
        order, places = np.random.default_rng(0).permutation(len(self.x)), {name: [] for name in drawn}
        numbers, left = self._numbers(self.y)[order], np.ones(len(order), bool)
        for number in range(len(self.labels)):
            those = np.flatnonzero(numbers == number)
            share = max(1, round(HELD_OUT * len(those))) if len(those) > len(drawn) else 0
            for at, name in enumerate(drawn):
                part = those[at * share : (at + 1) * share]
                places[name].append(order[part])
                left[part] = False
        return {name: np.sort(np.concatenate(parts)) for name, parts in places.items()} | {
            "train": np.sort(order[left])
        }

    def _numbers(self, y: np.ndarray) -> np.ndarray:
        """The number of the class of each example, (N,) int64.

        Raises:
            UserError: y names another class.
        """
        if y.ndim == 2:
            return y.argmax(1)
        if y.dtype.kind in "US":
            at = {name: number for number, name in enumerate(self.labels)}
            strange = sorted({str(name) for name in y} - at.keys())
            if strange:
                raise UserError(f"y came with the class {strange[0]!r}, but the classes are {', '.join(self.labels)}")
            return np.array([at[str(name)] for name in y], np.int64)
        if len(y) and y.max() >= len(self.labels):
            raise UserError(f"y came with the class {y.max()}, but there are {len(self.labels)} classes, from 0 on")
        return y.astype(np.int64)

    def arrays(self, split: str) -> Split:
        """All examples (N, ...), and the numbers of their classes (N,) int64."""
        if not len(self.x):  # read back from a run's record
            raise UserError(
                "a run keeps no arrays: pass them in Python, evaluate(run, source=Arrays(x, y, ...)), or name the "
                "recipe that has them with --recipe FILE.py:NAME"
            )
        cache = self.__dict__.setdefault("_arrays", {})  # the record is frozen, and its data never change
        if split not in cache:
            x, y = self._given.get(split, (self.x, self.y))
            if split == "train" or split not in self._given:
                x, y = x[self._places[split]], y[self._places[split]]
            if not len(x):
                raise UserError(f"there are no {split} examples: give more")
            cache[split] = as_inputs(x), self._numbers(y)
        return cache[split]

    def count(self, split: str) -> int:
        """The number of examples of a split."""
        return len(self.arrays(split)[1])

    @property
    def epoch_size(self) -> int:
        """An epoch is all training examples."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of (examples, one-hot labels) as a tf.data.Dataset.

        Args:
            split: train (endless and shuffled), validation or test (one pass, unchanged).
            seed: of the order of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        return self._batches(split != "train", *self.arrays(split), seed=seed, step=step, stopwatch=stopwatch)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` random examples of the right shape, to time training on it."""
        random = np.random.default_rng(0)
        x = as_inputs(random.normal(size=(count, *self.spec["input_shape"])).astype(self.x.dtype))
        return self._batches(False, x, random.integers(0, self.spec["classes"], count), stopwatch=stopwatch)

    def _batches(self, once: bool, x: np.ndarray, numbers: np.ndarray, **how) -> tf.data.Dataset:
        examples, targets, classes = tf.constant(x), tf.constant(numbers), self.spec["classes"]

        def read(indices):
            return tf.gather(examples, indices), tf.one_hot(tf.gather(targets, indices), classes)

        if once:
            return single_pass(len(numbers), read, batch=EVALUATED)
        return training_stream(len(numbers), read, batch=min(self.batch, len(numbers)), **{"seed": 0} | how)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any number of the split."""
        x, numbers = self.arrays(split)
        digest = hashlib.sha256(numbers.tobytes())
        digest.update(np.ascontiguousarray(x))
        return digest.hexdigest()[:12]

    def of_run(self, folder: Path, labels: Sequence[str]) -> Arrays:
        """This source with the run's labels."""
        return knowing(self, labels=list(labels))

    def beside(self, folder: Path, spec: dict) -> Arrays:
        """These: pass others in Python."""
        return self

    def find(self, folder: Path) -> list[Path]:
        """The .npy files in a user's folder."""
        return sorted(folder.glob("*.npy"))

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The numbers of a .npy file of one example.

        Raises:
            OSError: it cannot be read, or has another shape.
        """
        try:
            one = np.load(given, allow_pickle=False)
        except ValueError as error:
            raise OSError(f"it is no .npy file of numbers ({error})") from error
        try:
            return checked(one, tuple(spec["input_shape"])), {}
        except UserError as error:
            raise OSError(str(error)) from error

    def views(self, inputs: np.ndarray) -> np.ndarray | list[str]:
        """Pictures, stretched to 0..255 unless they are bytes; of other examples the first numbers as text."""
        if inputs.ndim == 4 and inputs.shape[-1] in (1, 3):
            low, high = float(self.x.min(initial=0)), float(self.x.max(initial=255))
            return inputs if inputs.dtype == np.uint8 else 255 * (inputs - low) / max(high - low, 1e-9)
        return [" ".join(f"{number:.3g}" for number in row.reshape(-1)[:20]) for row in inputs]


def check(name: str, x: np.ndarray, y: np.ndarray) -> None:
    """Raises UserError unless x are numbers and y one class for each."""
    if x.ndim < 2 or x.dtype.kind not in "buif":
        raise UserError(f"x of {name} came as {x.dtype} {x.shape}: wanted numbers (examples, ...)")
    if len(x) != len(y):
        raise UserError(f"{name} came with {len(x)} examples, but {len(y)} classes")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise UserError(f"x of {name} holds NaN or infinity: fill or remove these examples")
    one_hot = y.ndim == 2 and y.dtype.kind in "buif" and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
    numbers = y.ndim == 1 and (y.dtype.kind in "US" or (y.dtype.kind in "bui" and (not len(y) or y.min() >= 0)))
    if not one_hot and not numbers:
        raise UserError(
            f"y of {name} came as {y.dtype} {y.shape}: wanted a whole number from 0 on or a name for each "
            "example, or rows with a single 1"
        )


def checked(one: np.ndarray, shape: tuple) -> np.ndarray:
    """An example as a network takes it.

    Raises:
        UserError: it has another shape.
    """
    if one.shape != shape or one.dtype.kind not in "buif":
        raise UserError(f"an example came as {one.dtype} {one.shape}, but the network takes numbers {shape}")
    return as_inputs(one)


def as_inputs(x: np.ndarray) -> np.ndarray:
    """Bytes as they are, other whole numbers as int32, and all else as float32."""
    return x if x.dtype == np.uint8 else x.astype(np.float32 if x.dtype.kind == "f" else np.int32)


def in_memory(data: tf.data.Dataset) -> Split:
    """All of a finite dataset of (x, y), whether batched or not.

    Raises:
        UserError: it is endless, or does not yield pairs.
    """
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise UserError(f"a dataset yields {spec}: wanted pairs of (x, y)")
    if int(data.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise UserError("a dataset is endless: leave out repeat(), since fit repeats by itself")
    # Of batches the first axis is unknown, or as long for x as for y; an example has one class, or a row with a 1.
    x, y = (part.shape for part in spec)
    batched = (
        y.rank > 0 and x.rank > 0 and (y[0] is None or (y.rank == 2 and x[0] == y[0]) or (y.rank == 1 and x[0] == y[0]))
    )
    pairs = list((data.unbatch() if batched else data).as_numpy_iterator())
    if not pairs:
        raise UserError("a dataset yields nothing")
    x, y = (np.stack(part) for part in zip(*pairs, strict=True))
    return x, np.array([name.decode() for name in y]) if y.dtype.kind in "OS" else y
