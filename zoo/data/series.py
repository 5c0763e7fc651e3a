"""Time series to forecast: yearly sunspot numbers, or a column of a person's CSV file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import tensorflow as tf

from zoo.data.files import files_below
from zoo.data.inputs import Files
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, place_of, prepare
from zoo.data.source import Source, as_paths
from zoo.data.sunspots import Sunspots
from zoo.data.table import read_table
from zoo.errors import UserError

EVALUATED = 1024  # windows that go through the network at once where nothing is learned
SCALE = "scale.json"  # the file of it in a run's folder


@dataclass(frozen=True)
class Series(Source):
    """Numbers in the order of time: the inputs are windows of them, the targets the steps after each.

    The first eight tenths are to train on, the ninth is for validation, the last for the test. A window may reach back
    over the border of its part; its targets never do.
    """

    name: Literal["sunspots"] = "sunspots"
    """sunspots: yearly, 1700 to 2008 (needs no network)."""
    csv: Path | None = None
    """Own CSV file instead, UTF-8, names in its first line, oldest row first."""
    column: str | None = None
    """Name of the column to forecast; not needed where the file has only one."""
    scale: Path | None = None
    """A scale.json of another run instead of the mean and deviation of the training part."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    window: int = 11
    """Steps that are seen at once."""
    horizon: int = 1
    """Steps after them that are predicted, all at once."""
    season: int = 11
    """Steps after which the series repeats itself, for the seasonal-naive forecast; sunspots: about 11 years."""
    batch: int = 16
    """Windows a training step."""

    kind: ClassVar[str] = "CSV file"
    Inputs: ClassVar[type] = Files
    usage: ClassVar[str] = "SERIES.csv"

    def __post_init__(self):
        as_paths(self)
        for name in ("window", "horizon", "season", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"--data.{name} came as {getattr(self, name)}, but must be at least 1")
        if self.column is not None and self.csv is None:
            raise ValueError(f"--data.column came as {self.column}, but no --data.csv FILE whose column it is")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.csv.name if self.csv else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return (
            f"windows of {self.window} steps to predict the next {self.horizon}; "
            f"mean {self.moments[0]:.6g}, deviation {self.moments[1]:.6g}"
        )

    @property
    def selection(self) -> dict:
        """All of the series is taken."""
        return {}

    @property
    def labels(self) -> tuple[str, ...]:
        """There are no classes."""
        return ()

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder.

        Raises:
            UserError: the data cannot be learned from, which is said before anything is built.
        """
        self.scaled(self.series)
        return {"input_shape": (self.window, 1), "classes": self.horizon}

    @property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        return {"train": "the first eight tenths", "validation": "the ninth tenth", "test": "the last tenth"}

    @property
    def variable(self) -> str:
        """What the numbers are called."""
        return self._column[0]

    @property
    def series(self) -> np.ndarray:
        """All numbers (N,) float64, in the unit of the data.

        Raises:
            UserError: the file or its column cannot be used.
        """
        return self._column[1]

    @cached_property
    def _column(self) -> tuple[str, np.ndarray]:
        if self.csv is not None:
            table = read_table(self.csv)
            name = table.find(self.column)
            return name, table.numbers(name)
        directory = place_of(self.directory)
        stored = examples(prepare(builder_of(Sunspots, directory), "sunspots"), "train", self.name)
        return self.name, np.array([number for (number,) in stored])

    def part(self, split: str) -> slice:
        """Where the numbers of train, validation or test lie in the series.

        Raises:
            UserError: they are too few for a window, or for its targets.
        """
        count = len(self.series)
        borders = (0, count * 8 // 10, count * 9 // 10, count)
        needed = max(self.window, self.season) + self.horizon
        if borders[1] < needed or borders[2] - borders[1] < self.horizon:
            raise UserError(
                f"{self.title} has {count} rows: of the first eight tenths, {borders[1]}, a --data.window of "
                f"{self.window} or a --data.season of {self.season} and a --data.horizon of {self.horizon} need "
                f"{needed}, and the ninth tenth, {borders[2] - borders[1]}, must hold the horizon: "
                "give it more rows, or make these smaller"
            )
        at = ("train", "validation", "test").index(split)
        return slice(borders[at], borders[at + 1])

    def starts(self, split: str) -> np.ndarray:
        """Where the first target lies in the series, for each window of the split in turn: (windows,)."""
        part = self.part(split)
        return np.arange(part.start or self.window, part.stop - self.horizon + 1)

    @cached_property
    def moments(self) -> tuple[float, float]:
        """Mean and deviation of the training part, or those of the scale that is given.

        Raises:
            UserError: the training part never changes, or the scale cannot be read.
        """
        if self.scale is not None:
            return read_scale(self.scale)[1:]
        known = self.series[self.part("train")]
        with np.errstate(over="ignore"):  # answered below
            mean, deviation = float(known.mean()), float(known.std())
        if known.min() == known.max() or not 0 < deviation < math.inf:
            raise UserError(
                f"the training part of {self.title} has a mean of {mean:g} and a deviation of {deviation:g}: "
                f"{self.variable} must change, within what numbers can hold, to be forecast"
            )
        return mean, deviation

    def scaled(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers in the unit of the data as the network takes them: less the mean, divided by the deviation, float32.

        Raises:
            UserError: one is further from the mean than float32 can hold.
        """
        mean, deviation = self.moments
        with np.errstate(over="ignore"):  # answered below
            scaled = np.float32((np.float64(numbers) - mean) / deviation)
        if not np.isfinite(scaled).all():
            far = np.asarray(numbers)[~np.isfinite(scaled)][0]
            raise UserError(
                f"{far:g} is too far from the mean, {mean:g}, for the deviation, {deviation:g}, to be held in float32: "
                "correct or remove its row"
            )
        return scaled

    def unscaled(self, numbers: np.ndarray) -> np.ndarray:
        """What the network predicts in the unit of the data, float64."""
        mean, deviation = self.moments
        return np.float64(numbers) * deviation + mean

    def of_run(self, folder: Path, labels: Sequence[str]) -> Series:
        """The same with the scale that a run's folder keeps."""
        return replace(self, scale=folder / SCALE)

    def beside(self, folder: Path, spec: dict) -> Series:
        """Another series, in windows of the same length; it has a scale of its own."""
        return Series(window=self.window, horizon=self.horizon, season=self.season, batch=self.batch)

    def files(self) -> dict[str, str]:
        """Text files that a run keeps for later verbs, by name."""
        mean, deviation = self.moments
        return {SCALE: json.dumps({"column": self.variable, "mean": mean, "deviation": deviation}) + "\n"}

    def count(self, split: str) -> int:
        """The number of windows of a split."""
        return len(self.starts(split))

    @property
    def epoch_size(self) -> int:
        """Windows that count as an epoch."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of scaled float32 (B, window, 1) and (B, horizon), the steps after them, as a tf.data.Dataset.

        Args:
            split: train (for ever, in a new order each pass), validation or test (one pass in the order of time).
            seed: decides the orders of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        numbers, starts = self.scaled(self.series), self.starts(split)
        if split == "train":
            # Not a number of the later parts is even at hand.
            return self._stream(numbers[self.part("train")], seed=seed, step=step, stopwatch=stopwatch)
        return single_pass(len(starts), self._windows(numbers, starts[0]), batch=EVALUATED)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random numbers, to time training on it."""
        numbers = np.random.default_rng(0).standard_normal(count + self.window + self.horizon - 1, np.float32)
        return self._stream(numbers, seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any number of the split."""
        return hashlib.sha256(self.series[self.part(split)].astype("<f8").tobytes()).hexdigest()[:12]

    def find(self, folder: Path) -> list[Path]:
        """The CSV files below the folder, in a fixed order; hidden files are left out."""
        return files_below(folder, {".csv"})

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The last window of a CSV file, scaled: float32 (steps, 1).

        Its column is the one that the run was trained on, or the only one that it has.

        Raises:
            OSError: the file cannot be read; the text says why.
            UserError: the run has lost its scale.
        """
        # The scale knows the column where the data may have gone.
        column = read_scale(self.scale)[0] if self.scale else self.variable
        try:
            table, shape = read_table(given), tuple(spec["input_shape"])
            numbers = table.numbers(table.find(None if len(table.names) == 1 else column))[-shape[0] :]
            if len(numbers) < shape[0]:
                raise UserError(f"{given} has {len(numbers)} rows, but a window is {shape[0]}")
            return self.scaled(numbers).reshape(shape), {}
        except UserError as error:
            raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)) from error

    def _windows(self, numbers: np.ndarray, first: int):
        """Reads the windows by their number; the first has its first target at `first`."""
        held = tf.constant(numbers)
        inside = tf.range(-self.window, self.horizon, dtype=tf.int64)

        def read(windows):
            steps = tf.gather(held, windows[:, None] + int(first) + inside)  # (B, window + horizon)
            return steps[:, : self.window, None], steps[:, self.window :]

        return read

    def _stream(self, numbers: np.ndarray, *, seed: int, step: int, stopwatch):
        count = len(numbers) - self.window - self.horizon + 1
        return training_stream(
            count,
            self._windows(numbers, self.window),
            batch=min(self.batch, count),
            seed=seed,
            step=step,
            stopwatch=stopwatch,
        )


def read_scale(path: Path) -> tuple[str, float, float]:
    """The name of the column, the mean and the deviation that a run keeps.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        column, mean, deviation = str(kept["column"]), float(kept["mean"]), float(kept["deviation"])
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise ValueError(f"mean {mean}, deviation {deviation}")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{path} is missing or is not the scale of a series ({error}): give the file of a run"
        ) from error
    return column, mean, deviation
