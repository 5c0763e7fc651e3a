"""Time series to forecast: yearly sunspot numbers, or columns of a user's CSV file, of one series or of several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import tensorflow as tf

from zoo.data.features import Steps
from zoo.data.files import files_below
from zoo.data.inputs import SeriesFiles
from zoo.data.pipeline import single_pass, training_stream
from zoo.data.prepare import builder_of, examples, place_of, prepare
from zoo.data.scale import INTERVALS, SCALE, Scale, read_radius, read_scale, standardised, write_radius
from zoo.data.series_splits import SeriesSplits, size
from zoo.data.series_table import OneSeries, SeriesTable, read_series
from zoo.data.source import OTHER, Source, as_paths, counted, knowing
from zoo.data.sunspots import Sunspots
from zoo.errors import UserError

EVALUATED = 1024  # windows per batch of validation and test
SUNSPOTS = 11  # years of a cycle


@dataclass(frozen=True)
class Series(Source):
    """Time series: the inputs are windows of them, the targets the steps that follow each window.

    The first eight tenths are for training, the ninth is for validation, the last for the test. A window may reach back
    into the split before its own; its targets never leave their split. Several series are cut at the same two dates and
    lie one after the other in `series`; no window holds rows of two.
    """

    name: Literal["sunspots"] = "sunspots"
    """sunspots: yearly, 1700 to 2008 (needs no network)."""
    csv: Path | None = None
    """Your own CSV file instead, in UTF-8, with column names in its first line; dates beside it give the order."""
    column: str | None = None
    """Name of the column to forecast; not needed if the file has only one besides dates."""
    by: tuple[str, ...] = field(default=(), metadata={"later": True})
    """Name of the column that tells several series of the file apart, such as shop; or names of several columns. One
    network learns all series, each scaled by its own mean and deviation."""
    inputs: tuple[str, ...] = field(default=(), metadata={"later": True})
    """Names of further columns of numbers, whose past the network sees beside that of the column to forecast."""
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
    meaning: ClassVar[str] = (
        "values of the last steps, the oldest first, less the mean and divided by the deviation in scale.json"
    )
    Inputs: ClassVar[type] = SeriesFiles
    usage: ClassVar[str] = "SERIES.csv"

    def __post_init__(self):
        as_paths(self)
        for name in ("by", "inputs"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        for name in ("window", "horizon", "season", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"--data.{name} came as {getattr(self, name)}, but must be at least 1")
        for name in ("column", "by", "inputs", "date", "date_order", "decimal", "thousands"):
            value = getattr(self, name)
            if value not in (None, (), []) and self.csv is None:
                flag, value = name.replace("_", "-"), value if isinstance(value, str) else " ".join(value)
                raise ValueError(f"--data.{flag} came as {value}, but no --data.csv FILE whose column it is")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"--data.decimal and --data.thousands both came as {self.decimal}: they must differ")

    @property
    def title(self) -> str:
        """The name of the data in reports."""
        return self.csv.name if self.csv else self.name

    @property
    def summary(self) -> str:
        """What `fit` prints about the data at its end, besides the counts."""
        windows = f"windows of {self.steps} steps to predict the next {self.horizon}"
        if self.by:
            return f"{windows}; {len(self.members):,} series, each scaled by its own mean and deviation"
        return f"{windows}; mean {self.moments[0]:.6g}, deviation {self.moments[1]:.6g}"

    @property
    def understood(self) -> list[str]:
        """What was read, a sentence each."""
        if self.csv is None:
            return [counted(self)]
        pattern = f"a season of {self.period} steps" if self.period > 1 else "no season"
        chosen = [f"--data.{name}" for name in ("window", "season") if getattr(self, name) is None]
        said = [counted(self), *self._splits.said(), *self._table.said]
        if self.inputs:
            said.append(
                f"{', '.join(self.inputs)}: seen by the network beside {self.variable}, past rows only, each less its "
                "mean and divided by its deviation in the training rows"
            )
        return [
            *said,
            f"the network sees {self.steps} rows and predicts the next {self.horizon}; {pattern}"
            + f" ({' and '.join(chosen)}: chosen to fit)" * bool(chosen),
        ]

    @property
    def spec(self) -> dict:
        """The positional arguments of a network's builder.

        Raises:
            UserError: the data are not usable; checked here, before a network is built.
        """
        for split in self.splits if self.by else ():
            if not self.count(split):
                raise UserError(
                    f"no series of {self.title} has a window in the {split} part: give more rows, or a --data.horizon "
                    f"below {self.horizon}"
                )
        self._scaled  # noqa: B018 - it raises
        return {"input_shape": (self.steps, 1 + len(self.inputs)), "classes": self.horizon}

    @property
    def splits(self) -> dict[str, str]:
        """The splits train, validation and test, and what each consists of."""
        return {"train": "the first eight tenths", "validation": "the ninth tenth", "test": "the last tenth"}

    @property
    def steps(self) -> int:
        """The length of a window: the one that was asked for, or else one that fits."""
        return self._splits.steps

    @property
    def period(self) -> int:
        """The season in steps: the one that was asked for, or else one that fits; 1: none."""
        return self._splits.period

    @property
    def variable(self) -> str:
        """The name of what is forecast: its column, or the data set."""
        return self._table.name

    @property
    def series(self) -> np.ndarray:
        """The whole series, (N,) float64, in the unit of the data; of several, one after the other.

        Raises:
            UserError: the file or its column cannot be used.
        """
        return self._splits.rows[:, 0]

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the series that are used, in the order in which they lie in `series`; "" is an only one."""
        return self._splits.members

    @property
    def several(self) -> bool:
        """Whether the data are read as several series, each with a scale of its own."""
        return bool(self.by)

    @property
    def firsts(self) -> list[int]:
        """Where each of the `members` begins in `series`."""
        return [place.start for place in self._splits.places]

    @cached_property
    def _splits(self) -> SeriesSplits:
        season = self.season or (SUNSPOTS if self.csv is None else None)
        return SeriesSplits(self._table, self.title, self.by, self.horizon, self.window, season)

    @cached_property
    def _table(self) -> SeriesTable:
        if self.csv is not None:
            return self._read(self.csv, self.column)
        directory = place_of(self.directory)
        stored = examples(prepare(builder_of(Sunspots, directory), "sunspots"), "train", self.name)
        return SeriesTable(self.name, {"": OneSeries(np.array([[number] for (number,) in stored]))})

    def _read(self, path: Path, column: str | None) -> SeriesTable:
        return read_series(
            path,
            column,
            by=self.by,
            inputs=self.inputs,
            date=self.date,
            date_order=self.date_order,
            decimal=self.decimal,
            thousands=self.thousands,
        )

    def parts(self, split: str) -> list[slice]:
        """The slices of `series` that are train, validation, test or all, one of each of the `members`.

        Raises:
            UserError: an only series is too short for a window, or for its targets.
        """
        return self._splits.parts(split, self.seen)

    def starts(self, split: str) -> np.ndarray:
        """The index in `series` of the first target of each window of the split: (windows,)."""
        return self._splits.starts(split, self.seen)

    def which(self, starts: np.ndarray) -> np.ndarray:
        """To which of the `members` each of `starts` belongs: (starts,)."""
        return self._splits.which(starts)

    @cached_property
    def scales(self) -> Scale:
        """Means and deviations of the training split, or those of the given scale.

        Raises:
            UserError: the training split is constant, or the scale cannot be read.
        """
        if self.scale is not None:
            return read_scale(self.scale)
        moments = {}
        for name, part in zip(self.members, self.parts("train"), strict=True):
            known = self._splits.rows[part]
            with np.errstate(over="ignore", invalid="ignore"):  # checked below
                mean, deviation = known.mean(axis=0), known.std(axis=0)
            steady = known.min(axis=0) == known.max(axis=0)
            deviation[1:][steady[1:]] = 1  # an input that says nothing here
            if steady[0] or not (np.isfinite(mean) & np.isfinite(deviation) & (deviation > 0)).all():
                raise UserError(
                    f"the training part of {self.title} has a mean of {mean[0]:g} and a deviation of {deviation[0]:g}: "
                    f"{self.variable} must change, within what numbers can hold, to be forecast"
                )
            moments[name] = np.stack([mean, deviation], axis=1)
        return Scale(self.variable, self.inputs, moments)

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and deviation of the column to forecast in the training split of an only series."""
        return tuple(self.scales.of("")[0].tolist())

    def moments_at(self, starts: np.ndarray) -> np.ndarray:
        """Mean and deviation of the column to forecast, of the series of each of `starts`: (starts, 2)."""
        return np.array([self.scales.of(name)[0] for name in self.members])[self.which(starts)]

    @cached_property
    def _scaled(self) -> np.ndarray:
        """All columns of all series for the network: (N, 1 + inputs) float32."""
        named = zip(self.members, self._splits.places, strict=True)
        return np.concatenate([standardised(self._splits.rows[place], self.scales.of(name)) for name, place in named])

    def scaled(self, numbers: np.ndarray) -> np.ndarray:
        """Standardised numbers of an only series: less the mean and divided by the deviation, (N,) float32.

        Raises:
            UserError: a number is too far from the mean for float32.
        """
        return standardised(np.asarray(numbers)[:, None], self.scales.of("")[:1])[:, 0]

    def unscaled(self, numbers: np.ndarray, moments: np.ndarray | None = None) -> np.ndarray:
        """Predictions of the network in the unit of the data, float64.

        Args:
            numbers: of any shape; with `moments` (series, horizon).
            moments: (series, 2), mean and deviation of each; those of an only series need not be given.

        Raises:
            ValueError: there are several series, and it is not said which.
        """
        if moments is None and self.by:
            raise ValueError("of several series, whose scales differ, the moments are needed: see moments_at")
        if moments is None:
            mean, deviation = self.moments
            return np.float64(numbers) * deviation + mean
        return np.float64(numbers) * moments[:, 1:] + moments[:, :1]

    @cached_property
    def seen(self) -> int:
        """The number of first rows of which none is a target in the split all: those before the first season's end."""
        return max(self.steps, self.period)

    def other(self, spec: dict, then: dict) -> tuple[Series, str] | None:
        """See `zoo.data.Source`; of a file that has grown since, what was neither trained on nor used to choose.

        None for several series, which are measured only as they were.
        """
        if self.csv is None or self.by:
            return None
        trained, chosen = then["train"] + self.steps + self.horizon - 1, then["validation"] + self.horizon - 1
        if self._digest([slice(trained)]) != then["digest"]:
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

        Of several series in deviations of each. None before training, and for runs that have no intervals.
        """
        return None

    def keep(self, folder: Path, coverage: float, radius: Sequence[float]) -> None:
        """Writes the half width of intervals into a run's folder, where `of_run` finds them."""
        write_radius(folder / INTERVALS, coverage, radius)

    def beside(self, folder: Path, spec: dict) -> Series:
        """Another series, in windows of the same length, with a scale of its own."""
        window, horizon = spec["input_shape"][0], spec["classes"]
        return Series(window=window, horizon=horizon, season=self.season, batch=self.batch)

    def files(self) -> dict[str, str]:
        """Text files that a run keeps for later verbs, by name."""
        return {SCALE: self.scales.as_json()}

    def count(self, split: str) -> int:
        """The number of windows of a split."""
        return len(self.starts(split))

    @property
    def epoch_size(self) -> int:
        """An epoch is all training windows."""
        return self.count("train")

    def load(self, split: str, *, seed: int = 0, step: int = 0, stopwatch: tf.Variable | None = None):
        """Batches of windows (B, window, 1 + inputs) and the steps after them (B, horizon), scaled float32.

        Args:
            split: train (endless, in a new order for each pass), validation or test (one pass in chronological order).
            seed: of the orders of train.
            step: index of the batch with which train starts.
            stopwatch: see `zoo.data.pipeline.training_stream`.
        """
        if split == "train":
            # The stream gets only the training split, so it cannot use numbers of the others.
            parts = self.parts("train")
            ends = np.cumsum([0, *map(size, parts)])
            numbers = np.concatenate([self._scaled[part] for part in parts])
            starts = [np.arange(a + self.steps, b - self.horizon + 1) for a, b in pairwise(ends)]
            return self._stream(numbers, np.concatenate(starts), seed=seed, step=step, stopwatch=stopwatch)
        starts = self.starts(split)
        return single_pass(len(starts), self._windows(self._scaled, starts), batch=EVALUATED)

    def synthetic(self, count: int, stopwatch: tf.Variable | None = None) -> tf.data.Dataset:
        """The training stream of `count` windows of random numbers, to time training on it."""
        shape = count + self.steps + self.horizon - 1, 1 + len(self.inputs)
        numbers = np.random.default_rng(0).standard_normal(shape, np.float32)
        return self._stream(numbers, self.steps + np.arange(count), seed=0, step=0, stopwatch=stopwatch)

    def digest(self, split: str) -> str:
        """Twelve hexadecimal digits that change with any number of the split."""
        return self._digest(self.parts(split))

    def _digest(self, parts: list[slice]) -> str:
        whole = hashlib.sha256()
        for name, part in zip(self.members, parts, strict=True):
            if name:
                whole.update(f"{name} {size(part)} ".encode())
            whole.update(self._splits.rows[part].astype("<f8").tobytes())
        return whole.hexdigest()[:12]

    def find(self, folder: Path) -> list[Path]:
        """The CSV files below the folder, in a fixed order; hidden files are left out."""
        return files_below(folder, {".csv"})

    def read(self, given: Path, spec: dict) -> tuple[np.ndarray, dict]:
        """The last window of the only series of a CSV file, scaled: float32 (steps, 1 + inputs); and the dates of the
        steps to come, if any.

        Raises:
            OSError: the file cannot be read; the message says why.
            UserError: the run has lost its scale, or was trained on several series.
        """
        if self.by:
            raise UserError(
                f"{given} may hold several series, told apart by {' and '.join(self.by)}: ask for each of them"
            )
        ((value, more),) = self.each(given, spec)
        if "error" in more:
            raise OSError(more["error"])
        return value, more

    def each(self, given: Path, spec: dict) -> Iterator[tuple[Any, dict]]:
        """Yields for each series of a CSV file its last window, and entries to add to the answer.

        It is read from the columns that the run was trained on, or from the only column of the file, and put in order
        as for training. Of several series the window comes with mean and deviation, (2,), and the entries are the name,
        as `series`, and the dates or what is wrong with it, as `error`.

        Raises:
            OSError: the file cannot be read; the message says why.
            UserError: the run has lost its scale.
        """
        # The scale names the column even if the data no longer exist.
        scales = self.scales
        steps, ahead = spec["input_shape"][0], spec["classes"]
        try:
            found = self._read(given, scales.column)
        except UserError as error:
            raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(str(error)) from error
        for name, member in found.members.items():
            about = {"series": name} if self.by else {}
            try:
                moments, numbers = scales.of(name), member.values[-steps:]
                if len(numbers) < steps:
                    raise UserError(f"{name or given} has {len(numbers)} rows, but a window is {steps}")
                window = standardised(numbers, moments)
            except UserError as error:
                yield None, about | {"error": str(error)}
                continue
            dates = {"dates": member.timeline.following(ahead)} if member.timeline else {}
            yield (window, moments[0]) if self.by else window, about | dates

    def features(self, window: np.ndarray) -> Steps:
        """What a window (steps, 1 + inputs) consists of: past steps, called -1, -2, ... from the last backwards."""
        columns = (self.scales.column, *self.scales.inputs)
        steps = range(-len(window), 0)
        names = [f"{step}" if len(columns) == 1 else f"{step} {column}" for step in steps for column in columns]
        return Steps(np.arange(window.size).reshape(window.shape), names, columns, window)

    def _windows(self, numbers: np.ndarray, starts: np.ndarray):
        """A function for tf.data from indices of windows to inputs and targets; `starts`: index of the first target."""
        values, first = tf.constant(numbers), tf.constant(starts, tf.int64)
        inside = tf.range(-self.steps, self.horizon, dtype=tf.int64)

        def read(windows):
            steps = tf.gather(values, tf.gather(first, windows)[:, None] + inside)  # (B, window + horizon, 1 + inputs)
            return steps[:, : -self.horizon], steps[:, -self.horizon :, 0]

        return read

    def _stream(self, numbers: np.ndarray, starts: np.ndarray, *, seed: int, step: int, stopwatch):
        return training_stream(
            len(starts),
            self._windows(numbers, starts),
            batch=min(self.batch, len(starts)),
            seed=seed,
            step=step,
            stopwatch=stopwatch,
        )
