"""Time series to forecast: yearly sunspot numbers, or a column of a user's CSV file."""

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

from zoo.data.column import Column, fitting_window, found_season, read_column
from zoo.data.files import files_below
from zoo.data.inputs import Files
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, place_of, prepare
from zoo.data.source import OTHER, Source, as_paths, counted, knowing
from zoo.data.sunspots import Sunspots
from zoo.errors import UserError

EVALUATED = 1024  # windows per batch of validation and test
SCALE = "scale.json"  # file in a run's folder that holds the mean and the deviation
INTERVALS = "intervals.json"  # the same of how far off forecasts are
SUNSPOTS = 11  # years of a cycle


@dataclass(frozen=True)
class Series(Source):
    """A time series: the inputs are windows of it, the targets the steps that follow each window.

    The first eight tenths are for training, the ninth is for validation, the last for the test. A window may reach back
    into the split before its own; its targets never leave their split.
    """

    name: Literal["sunspots"] = "sunspots"
    """sunspots: yearly, 1700 to 2008 (needs no network)."""
    csv: Path | None = None
    """Your own CSV file instead, in UTF-8, with column names in its first line; dates beside it give the order."""
    column: str | None = None
    """Name of the column to forecast; not needed if the file has only one besides dates."""
    date: str | None = None
    """Name of the column of dates; by default the first column that holds dates."""
    date_order: Literal["day-first", "month-first"] | None = None
    """Whether 03/04/2024 is in April or in March; needed only where the column does not tell."""
    decimal: Literal[".", ","] | None = None
    """The decimal mark of the column; needed only where the column does not tell."""
    thousands: Literal[".", ",", "'", " "] | None = None
    """The mark between thousands in the column, if it has one; needed only where the column does not tell."""
    scale: Path | None = None
    """A scale.json from another run, to use instead of the mean and deviation of the training split."""
    directory: Path | None = field(default=None, metadata={"local": True})
    """Where TFDS stores data; by default TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
    window: int | None = None
    """Number of past steps that the network sees; by default one season or more; sunspots: 11."""
    horizon: int = 1
    """Number of future steps to predict, all at once."""
    season: int | None = None
    """Period of the series in steps, for the seasonal naive forecast; by default that of its dates, such as 12 for
    monthly ones, or else the one that is found in the numbers; sunspots: about 11 years."""
    batch: int = 16
    """Windows per training step."""

    kind: ClassVar[str] = "CSV file"
    Inputs: ClassVar[type] = Files
    usage: ClassVar[str] = "SERIES.csv"

    def __post_init__(self):
        as_paths(self)
        for name in ("window", "horizon", "season", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"--data.{name} came as {getattr(self, name)}, but must be at least 1")
        for name in ("column", "date", "date_order", "decimal", "thousands"):
            if getattr(self, name) is not None and self.csv is None:
                flag = name.replace("_", "-")
                raise ValueError(
                    f"--data.{flag} came as {getattr(self, name)}, but no --data.csv FILE whose column it is"
                )
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"--data.decimal and --data.thousands both came as {self.decimal}: they must differ")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.csv.name if self.csv else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        return (
            f"windows of {self.steps} steps to predict the next {self.horizon}; "
            f"mean {self.moments[0]:.6g}, deviation {self.moments[1]:.6g}"
        )

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        if self.csv is None:
            return [counted(self)]
        pattern = f"a season of {self.period} steps" if self.period > 1 else "no season"
        chosen = [f"--data.{name}" for name in ("window", "season") if getattr(self, name) is None]
        return [
            counted(self),
            *self._column.said,
            f"the network sees {self.steps} rows and predicts the next {self.horizon}; {pattern}"
            + f" ({' and '.join(chosen)}: chosen to fit)" * bool(chosen),
        ]

    @property
    def selection(self) -> dict:
        """The whole series is used."""
        return {}

    @property
    def labels(self) -> tuple[str, ...]:
        """There are no classes."""
        return ()

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder.

        Raises:
            UserError: the data are not usable; checked here, before a network is built.
        """
        self.scaled(self.series)
        return {"input_shape": (self.steps, 1), "classes": self.horizon}

    @property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        return {"train": "the first eight tenths", "validation": "the ninth tenth", "test": "the last tenth"}

    @property
    def steps(self) -> int:
        """The length of a window: the one that was asked for, or else one that fits."""
        return self.window or fitting_window(self.period, self._borders[1], self.horizon)

    @cached_property
    def period(self) -> int:
        """The season in steps: the one that was asked for, or else one that fits; 1: none."""
        if self.season or self.csv is None:
            return self.season or SUNSPOTS
        train, line = self._borders[1], self._column.timeline
        season = line.step.season if line is not None and line.step.season > 1 else found_season(self.series[:train])
        return season if train >= 1.5 * season + self.horizon else 1

    @property
    def variable(self) -> str:
        """The name of the series: its column, or the data set."""
        return self._column.name

    @property
    def series(self) -> np.ndarray:
        """The whole series, (N,) float64, in the unit of the data.

        Raises:
            UserError: the file or its column cannot be used.
        """
        return self._column.values

    @cached_property
    def _column(self) -> Column:
        if self.csv is not None:
            return self._read(self.csv, self.column)
        directory = place_of(self.directory)
        stored = examples(prepare(builder_of(Sunspots, directory), "sunspots"), "train", self.name)
        return Column(self.name, np.array([number for (number,) in stored]))

    def _read(self, path: Path, column: str | None) -> Column:
        return read_column(
            path,
            column,
            date=self.date,
            date_order=self.date_order,
            decimal=self.decimal,
            thousands=self.thousands,
        )

    @property
    def _borders(self) -> tuple[int, int, int, int]:
        """Where the splits begin and end; a horizon that is longer than a tenth makes the last two longer."""
        count = len(self.series)
        test = min(count * 9 // 10, count - self.horizon)
        return 0, max(0, min(count * 8 // 10, test - self.horizon)), max(0, test), count

    def part(self, split: str) -> slice:
        """The slice of the series that is train, validation, test or all.

        Raises:
            UserError: it is too short for a window, or for its targets.
        """
        count, borders = len(self.series), self._borders
        if split == "all":
            if count < self.seen + self.horizon:
                raise UserError(
                    f"{self.title} has {count} rows: {self.seen + self.horizon} are needed to measure a step"
                )
            return slice(self.seen, count)
        needed = max(self.steps, self.period) + self.horizon
        if borders[1] < needed or borders[2] - borders[1] < self.horizon:
            raise UserError(
                f"{self.title} has {count} rows: of the first eight tenths, {borders[1]}, a --data.window of "
                f"{self.steps} or a --data.season of {self.period} and a --data.horizon of {self.horizon} need "
                f"{needed}, and the ninth tenth, {borders[2] - borders[1]}, must hold the horizon: "
                "give it more rows, or make these smaller"
            )
        at = ("train", "validation", "test").index(split)
        return slice(borders[at], borders[at + 1])

    def starts(self, split: str) -> np.ndarray:
        """The index in the series of the first target of each window of the split: (windows,)."""
        part = self.part(split)
        return np.arange(part.start or self.steps, part.stop - self.horizon + 1)

    @cached_property
    def moments(self) -> tuple[float, float]:
        """Mean and deviation of the training split, or those of the given scale.

        Raises:
            UserError: the training split is constant, or the scale cannot be read.
        """
        if self.scale is not None:
            return read_scale(self.scale)[1:]
        known = self.series[self.part("train")]
        with np.errstate(over="ignore"):  # checked below
            mean, deviation = float(known.mean()), float(known.std())
        if known.min() == known.max() or not 0 < deviation < math.inf:
            raise UserError(
                f"the training part of {self.title} has a mean of {mean:g} and a deviation of {deviation:g}: "
                f"{self.variable} must change, within what numbers can hold, to be forecast"
            )
        return mean, deviation

    def scaled(self, numbers: np.ndarray) -> np.ndarray:
        """Standardised numbers for the network: less the mean and divided by the deviation, float32.

        Raises:
            UserError: a number is too far from the mean for float32.
        """
        mean, deviation = self.moments
        with np.errstate(over="ignore"):  # checked below
            scaled = np.float32((np.float64(numbers) - mean) / deviation)
        if not np.isfinite(scaled).all():
            far = np.asarray(numbers)[~np.isfinite(scaled)][0]
            raise UserError(
                f"{far:g} is too far from the mean, {mean:g}, for the deviation, {deviation:g}, to be held in float32: "
                "correct or remove its row"
            )
        return scaled

    def unscaled(self, numbers: np.ndarray) -> np.ndarray:
        """Predictions of the network in the unit of the data, float64."""
        mean, deviation = self.moments
        return np.float64(numbers) * deviation + mean

    @cached_property
    def seen(self) -> int:
        """The number of first rows of which none is a target in the split all: those before the first season's end."""
        return max(self.steps, self.period)

    def other(self, spec: dict, then: dict) -> tuple[Series, str] | None:
        """See `zoo.data.Source`; of a file that has grown since, what was neither trained on nor used to choose."""
        if self.csv is None:
            return None
        trained, chosen = then["train"] + self.steps + self.horizon - 1, then["validation"] + self.horizon - 1
        if self._digest(slice(trained)) != then["digest"]:
            return self, f"{OTHER}: all of {self.title} is measured"
        if self.count("test") == then["test"] and self.count("train") == then["train"]:
            return None
        new = knowing(self, seen=trained + chosen, radius=self.radius)
        rows = f"the first {trained + chosen:,} rows of {self.title}, on which the run was trained and its epoch chosen"
        return new, f"{rows}, are left out: {new.count('all'):,} windows after them are measured"

    def of_run(self, folder: Path, labels: Sequence[str]) -> Series:
        """This source with the scale and the intervals in the run's folder."""
        return knowing(replace(self, scale=folder / SCALE), radius=read_radius(folder / INTERVALS))

    @cached_property
    def radius(self) -> tuple[float, list[float]] | None:
        """The coverage of a run's intervals, and their half width for each step ahead in the unit of the data.

        None before training, and for runs that have no intervals.
        """
        return None

    def keep(self, folder: Path, coverage: float, radius: Sequence[float]) -> None:
        """Writes the half width of intervals into a run's folder, where `of_run` finds them."""
        part = folder / f".part-{INTERVALS}"
        part.unlink(missing_ok=True)
        part.write_text(json.dumps({"coverage": coverage, "radius": list(radius)}) + "\n", "utf-8")
        part.replace(folder / INTERVALS)

    def beside(self, folder: Path, spec: dict) -> Series:
        """Another series, in windows of the same length, with a scale of its own."""
        window, horizon = spec["input_shape"][0], spec["classes"]
        return Series(window=window, horizon=horizon, season=self.season, batch=self.batch)

    def files(self) -> dict[str, str]:
        """Text files that a run keeps for later verbs, by name."""
        mean, deviation = self.moments
        return {SCALE: json.dumps({"column": self.variable, "mean": mean, "deviation": deviation}) + "\n"}

    def count(self, split: str) -> int:
        """The number of windows of a split."""
        return len(self.starts(split))

    @property
    def epoch_size(self) -> int:
        """An epoch is all training windows."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of windows (B, window, 1) and the steps after them (B, horizon), scaled float32, as tf.data.Dataset.

        Args:
            split: train (endless, in a new order for each pass), validation or test (one pass in chronological order).
            seed: of the orders of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        numbers, starts = self.scaled(self.series), self.starts(split)
        if split == "train":
            # The stream gets only the training split, so it cannot use numbers of the others.
            return self._stream(numbers[self.part("train")], seed=seed, step=step, stopwatch=stopwatch)
        return single_pass(len(starts), self._windows(numbers, starts[0]), batch=EVALUATED)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random numbers, to time training on it."""
        numbers = np.random.default_rng(0).standard_normal(count + self.steps + self.horizon - 1, np.float32)
        return self._stream(numbers, seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any number of the split."""
        return self._digest(self.part(split))

    def _digest(self, part: slice) -> str:
        return hashlib.sha256(self.series[part].astype("<f8").tobytes()).hexdigest()[:12]

    def find(self, folder: Path) -> list[Path]:
        """The CSV files below the folder, in a fixed order; hidden files are left out."""
        return files_below(folder, {".csv"})

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The last window of a CSV file, scaled: float32 (steps, 1); and the dates of the steps to come, if any.

        It is read from the column that the run was trained on, or from the only column of the file, and put in order
        as for training.

        Raises:
            OSError: the file cannot be read; the message says why.
            UserError: the run has lost its scale.
        """
        # The scale names the column even if the data no longer exist.
        column = read_scale(self.scale)[0] if self.scale else self.variable
        try:
            shape = tuple(spec["input_shape"])
            found = self._read(given, column)
            numbers = found.values[-shape[0] :]
            if len(numbers) < shape[0]:
                raise UserError(f"{given} has {len(numbers)} rows, but a window is {shape[0]}")
            dates = {"dates": found.timeline.following(spec["classes"])} if found.timeline else {}
            return self.scaled(numbers).reshape(shape), dates
        except UserError as error:
            raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)) from error

    def _windows(self, numbers: np.ndarray, first: int):
        """A function for tf.data from indices of windows to inputs and targets; `first`: index of the first target."""
        values = tf.constant(numbers)
        inside = tf.range(-self.steps, self.horizon, dtype=tf.int64)

        def read(windows):
            steps = tf.gather(values, windows[:, None] + int(first) + inside)  # (B, window + horizon)
            return steps[:, : -self.horizon, None], steps[:, -self.horizon :]

        return read

    def _stream(self, numbers: np.ndarray, *, seed: int, step: int, stopwatch):
        count = len(numbers) - self.steps - self.horizon + 1
        return training_stream(
            count,
            self._windows(numbers, self.steps),
            batch=min(self.batch, count),
            seed=seed,
            step=step,
            stopwatch=stopwatch,
        )


def read_scale(path: Path) -> tuple[str, float, float]:
    """The name of the column, the mean and the deviation in a run's scale.json.

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


def read_radius(path: Path) -> tuple[float, list[float]] | None:
    """The coverage and the half widths in a run's intervals.json; None if it has none.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return float(kept["coverage"]), [float(number) for number in kept["radius"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} does not hold a run's intervals ({error}): delete it, or restore it") from error
