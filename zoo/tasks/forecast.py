"""Forecasting: the next steps of a time series."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.errors import UserError
from zoo.tasks import figures
from zoo.tasks.several import (
    by_series,
    in_unit,
    moments_of,
    named,
    of_the_first,
    ratio,
    several,
    told_by_series,
    unit_of,
)
from zoo.tasks.task import Aim, Baseline, Panel, Task, View, check_inputs, shapes

COVERAGE = 0.9  # of intervals
DRAWN = 150  # steps that a picture shows at most, from the start of a split


def naive(series: np.ndarray, starts: np.ndarray, horizon: int) -> np.ndarray:
    """The naive forecast: the last value before each of `starts`, for all `horizon` steps: (starts, horizon)."""
    return np.repeat(series[starts - 1][:, None], horizon, axis=1)


def seasonal_naive(series: np.ndarray, starts: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The seasonal naive forecast: the value one season before, or as many seasons before as needed to be in the past.

    (starts, horizon).
    """
    ahead = np.arange(horizon)
    return series[starts[:, None] + ahead - (ahead // season + 1) * season]


def truth_and_naive(source, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What followed each of `starts`, and its naive and seasonal naive forecasts: each (starts, horizon)."""
    series, horizon = source.series, source.horizon
    seasonal = seasonal_naive(series, starts, horizon, source.period)
    return series[starts[:, None] + np.arange(horizon)], naive(series, starts, horizon), seasonal


def conformal_radius(residuals: np.ndarray, coverage: float) -> np.ndarray:
    """Half widths of split conformal intervals (Vovk 2005, "Algorithmic Learning in a Random World"; Lei 2018,
    arXiv:1604.04173, algorithm 2): of n absolute residuals the one of rank ceil((n + 1) * coverage).

    A new truth lies within it of its forecast with that probability or more, if its residual could as well have been
    one of these; for series this holds only as far as they go on as they were.

    Args:
        residuals: (n, horizon), on data that the network was not trained on.
        coverage: from 0 to 1.

    Returns:
        (horizon,); empty if there are too few residuals, less than 9 for 0.9.
    """
    rank = math.ceil((len(residuals) + 1) * coverage - 1e-9)
    return np.sort(np.abs(residuals), axis=0)[rank - 1] if rank <= len(residuals) else np.zeros(0)


@dataclass(frozen=True)
class Nothing:
    """A forecast has no options."""


@dataclass(frozen=True)
class OneStep:
    """Which step of a forecast an explanation is about."""

    ahead: int = 1
    """Which step of the forecast is explained: 1 is the first after the last row."""

    def __post_init__(self):
        if self.ahead < 1:
            raise ValueError(f"--ahead came as {self.ahead}, but must be at least 1")


@dataclass(frozen=True)
class Forecast(Task):
    """The next steps (B, horizon), all predicted at once from one window: mean squared error of the scaled numbers.

    If there are several, each has its own output and none is fed back (the MIMO strategy of Taieb 2012,
    arXiv:1108.3259); errors are then reported over all steps together and for each step ahead.
    Several series: see `zoo.tasks.several`.
    """

    monitors: ClassVar[dict[str, str]] = {"val_loss": "min"}
    verb: ClassVar[str] = "predict"
    outputs: ClassVar[str] = "the next steps, on the scale of the inputs"
    usage: ClassVar[str] = "{run} {inputs}"
    wants: ClassVar[tuple[str, ...]] = (
        "series",
        "starts",
        "horizon",
        "period",
        "variable",
        "unscaled",
        "radius",
        "keep",
    )
    Ask: ClassVar[type] = Nothing
    Explain: ClassVar[type] = OneStep

    def check(self, model: keras.Model, spec: dict, labels: Sequence[str]) -> None:
        """Raises ValueError unless the network maps windows of the data's shape to the steps of the horizon."""
        check_inputs(model, spec)
        if shapes(model.outputs)[0] != [spec["classes"]]:
            raise ValueError(f"its outputs are {shapes(model.outputs)[0]}, but the data need {[spec['classes']]}")

    def loss(self) -> keras.Loss:
        """Mean squared error, in squared standard deviations of the training split."""
        return keras.losses.MeanSquaredError()

    def metrics(self) -> list[keras.Metric]:
        """The mean absolute error, in standard deviations of the training split."""
        return [keras.metrics.MeanAbsoluteError()]

    def weights(self, source) -> None:
        """None: all steps have the same weight."""

    def look(self, source, sample: tuple) -> dict[str, View]:
        """The first four windows of a training batch, each with its targets, and the first series with its splits."""
        figure = Figure(figsize=(figures.WIDTH, 3.5), dpi=80, layout="constrained")
        label = f"{figures.literal(source.variable)}{' (deviations)' * several(source)}"
        shown = np.asarray if several(source) else source.unscaled  # a batch does not say of which series it is
        for axes, window, targets in zip(figure.subplots(2, 2).flat, *(part.numpy() for part in sample), strict=False):
            axes.plot(range(-len(window), 0), shown(window[:, 0]), label="seen")
            axes.plot(range(len(targets)), shown(targets), "o", label="target")
            axes.set(xlabel="step from the forecast", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.axes[0].legend()
        return {"inputs": figures.pixels(figure), "series": figures.pixels(whole(source))}

    def baselines(self, source, split: str) -> list[Baseline]:
        """The last value of each window for all steps, and the values a season before."""
        starts = source.starts(split)
        truth, last, seasonal = truth_and_naive(source, starts)
        named = {"the last value": last}
        if source.period > 1:
            named[f"the value {source.period} steps before"] = seasonal
        scale = moments_of(source, starts)[:, 1:]
        errors = {name: np.square((numbers - truth) / scale) for name, numbers in named.items()}
        return [Baseline(name, "loss", squares.mean()) for name, squares in errors.items()]

    def panel(self, source, validation) -> ForecastPanel:
        """What TensorBoard shows besides curves."""
        return ForecastPanel(source, validation)

    def report(self, model: keras.Model, source, split: str) -> dict:
        """The errors of the network and of two naive forecasts on a split, in the unit of the data.

        Of several series, whose units may differ, they are divided by the deviation of each in the training split.

        Returns:
            mae (mean absolute error), rmse (root mean squared error) and rmse_by_step (for each step ahead) of the
            network, and with the prefixes naive_ (the last value seen) and seasonal_ (the value a season before) those
            of the naive forecasts. naive_ratio and seasonal_ratio: the network's rmse divided by theirs, below 1 if the
            network is better; None if theirs is 0. coverage: of the intervals that the run keeps, the share that holds
            the truth, over all steps, beside the `aim`; left out if the run has none.
            windows, horizon, season, variable. drawn: for a picture, truth, network and seasonal for the first steps of
            the split (of the first series), by forecasts that follow each other without overlap. by_series, if there
            are several: for each its windows, errors in its own unit and ratios. The tables have every forecast, with
            the row of its series that it is about, counted from 1, and by_series.
        """
        starts, horizon = source.starts(split), source.horizon
        truth, last, seasonal = truth_and_naive(source, starts)
        outputs = model.predict(source.load(split), verbose=0)
        forecasts = {"": in_unit(source, outputs, starts), "naive_": last, "seasonal_": seasonal}
        unit = unit_of(source, starts)
        report = {"windows": len(starts), "horizon": horizon, "season": source.period, "variable": source.variable}
        for name, numbers in forecasts.items():
            squares = np.square((numbers - truth) / unit)
            report[f"{name}mae"] = float(np.abs((numbers - truth) / unit).mean())
            report[f"{name}rmse"] = float(np.sqrt(squares.mean()))
            report[f"{name}rmse_by_step"] = np.sqrt(squares.mean(0)).tolist()
        for name in ("naive", "seasonal"):
            report[f"{name}_ratio"] = ratio(report["rmse"], report[f"{name}_rmse"])
        if source.radius is not None:
            aim, radius = source.radius
            inside = np.abs(forecasts[""] - truth) <= radius * unit
            report |= {"aim": aim, "coverage": float(inside.mean())}
        shown = of_the_first(source, starts)
        lines = {"truth": truth, "network": forecasts[""], "seasonal": forecasts["seasonal_"]}
        drawn = {name: in_a_row(numbers[shown]).tolist() for name, numbers in lines.items()}
        report["drawn"] = drawn | {"first": int(starts[shown][0])}
        names, rows = named(source, starts)
        table = [
            (*name, int(row) + ahead, ahead, float(true), float(said))
            for name, row, trues, forecast in zip(names, rows, truth, forecasts[""], strict=True)
            for ahead, (true, said) in enumerate(zip(trues, forecast, strict=True), 1)
        ]
        tables = {"predictions": [(*["series"] * several(source), "row", "steps_ahead", "truth", "forecast"), *table]}
        if several(source):
            report["by_series"] = by_series(source, starts, truth, forecasts)
            columns = list(next(iter(report["by_series"].values())))
            lines = ((name, *one.values()) for name, one in report["by_series"].items())
            tables["series"] = [("series", *columns), *lines]
        return report | {"tables": tables}

    def table(self, report: dict) -> str:
        """The report as readable text."""
        season = f"{report['season']} step{'s' * (report['season'] > 1)} before"
        rows = {"network": "", "last value": "naive_", season: "seasonal_"}
        unit = "deviations of each series" if "by_series" in report else "the unit of the data"
        lines = [
            f"{report['variable']}: {report['windows']:,} windows, {report['horizon']} "
            f"step{'s' * (report['horizon'] > 1)} predicted from each; errors in {unit}",
            "",
            f"{'forecast':20}  mean absolute  root mean square   ratio",
        ]
        for name, key in rows.items():
            ratio = report[f"{key}ratio"] if key else ""
            shown = f"{ratio:.3f}" if isinstance(ratio, float) else "none" if ratio is None else ratio
            lines.append(f"{name:20}  {report[f'{key}mae']:13.6g}  {report[f'{key}rmse']:16.6g}  {shown:>6}")
        lines += ["", "ratio: the network's root mean square by that of the row; below 1 the network is better"]
        better = [name for name, key in rows.items() if key and report["rmse"] > report[f"{key}rmse"]]
        if better:
            lines.append(
                f"the network is worse than the naive forecast ({' and '.join(better)}), so do not use it: try the "
                "recipe nlinear, more rows or another --data.window"
            )
        lines += told_by_series(report)
        if "coverage" in report:
            lines.append(
                f"{report['coverage']:.1%} of the numbers lie within their {report['aim']:.0%} intervals, whose width "
                "is how far off the network was on the validation split"
            )
        if report["horizon"] > 1:
            lines += ["", f"{'step ahead':>10}  " + "  ".join(f"{name:>18}" for name in rows) + "  (root mean square)"]
            steps = zip(*(report[f"{key}rmse_by_step"] for key in rows.values()), strict=True)
            lines += [f"{at:10}  " + "  ".join(f"{v:18.6g}" for v in step) for at, step in enumerate(steps, 1)]
        return "\n".join(lines)

    def draw(self, report: dict, path: Path) -> None:
        """Draws the series, its forecast and the seasonal naive forecast to a PNG file."""
        figures.forecast(report, (9, 4.5)).savefig(path)

    def answers(self, model: keras.Model, source, ask: Nothing, inputs: list) -> Iterator[dict]:
        """For each window its `forecast`, a list of numbers in the unit of the data, and its interval.

        That is `low` and `high`, lists of the same length, and the `aim`, how often the truth should lie within; left
        out if the run has none.
        """
        windows, moments = zip(*inputs, strict=True) if several(source) else (inputs, None)
        outputs = model.predict_on_batch(np.stack(windows))
        scale = () if moments is None else (np.stack(moments),)
        units = np.ones(len(outputs)) if moments is None else scale[0][:, 1]
        for numbers, unit in zip(source.unscaled(outputs, *scale), units, strict=True):
            answer = {"forecast": numbers.tolist()}
            if source.radius is not None:
                aim, radius = source.radius
                half = np.array(radius) * unit
                answer |= {"low": (numbers - half).tolist(), "high": (numbers + half).tolist(), "aim": aim}
            yield answer

    def aim(self, model: keras.Model, source, ask: OneStep, given) -> Aim:
        """The forecast for the step that was asked for, in the unit of the data."""
        window, moments = (given[0], given[1][None]) if several(source) else (given, None)
        horizon = model.output_shape[-1]
        if ask.ahead > horizon:
            raise UserError(f"--ahead came as {ask.ahead}, but the run forecasts {horizon} steps")
        scale = () if moments is None else (moments,)
        none, one = (float(source.unscaled(np.full((1, horizon), x), *scale)[0, 0]) for x in (0.0, 1.0))
        name = f"forecast of {source.variable}, step +{ask.ahead}"
        return Aim(window, (ask.ahead - 1,), name, source.variable, one - none, none)

    def line(self, answer: dict) -> str:
        """An answer as readable text: for each step ahead, or its date, the predicted number and its interval."""
        steps = []
        for at, number in enumerate(answer["forecast"]):
            text = f"{answer['dates'][at] if 'dates' in answer else f'+{at + 1}'} {number:.6g}"
            if "low" in answer:
                text += f", {answer['aim']:.0%} {answer['low'][at]:.6g} to {answer['high'][at]:.6g}"
            steps.append(text)
        return "\t".join(steps)


class ForecastPanel(Panel):
    """Shows after each epoch the forecast for the validation split, of several series for the first.

    Args:
        source: has what `Forecast` wants.
        validation: the source's validation split.
    """

    def __init__(self, source, validation: tf.data.Dataset):
        self.source, self.validation = source, validation
        starts = source.starts("validation")
        truth, _, seasonal = truth_and_naive(source, starts)
        self.starts, self.truth, self.shown = starts, truth, of_the_first(source, starts)
        first = {"first": int(starts[self.shown][0])}
        self.drawn = first | {"truth": in_a_row(truth[self.shown]), "seasonal": in_a_row(seasonal[self.shown])}

    def epoch(self, model: keras.Model, step: int) -> None:
        """Shows what the network predicts for the validation split."""
        forecasts = in_unit(self.source, model.predict(self.validation, verbose=0), self.starts)[self.shown]
        report = {
            "variable": self.source.variable,
            "season": self.source.period,
            "drawn": self.drawn | {"network": in_a_row(forecasts)},
        }
        tf.summary.image("forecast", figures.pixels(figures.forecast(report, (figures.WIDTH, 3)))[None], step=step)

    def finish(self, model: keras.Model, path: Path) -> None:
        """Shows nothing more, but leaves in the run's folder how far off the network is on the validation split."""
        forecasts = in_unit(self.source, model.predict(self.validation, verbose=0), self.starts)
        radius = conformal_radius((forecasts - self.truth) / unit_of(self.source, self.starts), COVERAGE)
        if len(radius):
            self.source.keep(path, COVERAGE, radius.tolist())


def whole(source) -> Figure:
    """A plot of all that is to be predicted in each split; of several series, of the first that is in all splits."""
    figure = Figure(figsize=(figures.WIDTH, 3), dpi=80, layout="constrained")
    axes, first, name = figure.add_subplot(), 0, ""
    starts = {split: source.starts(split) for split in ("train", "validation", "test")}
    if several(source):
        which = {split: source.which(found) for split, found in starts.items()}
        at = min(set.intersection(*map(set, which.values())), default=which["train"][0])
        starts = {split: found[which[split] == at] for split, found in starts.items()}
        first, name = source.firsts[at], f" of {figures.literal(source.members[at])}"
    for split, own in starts.items():
        if len(own):
            steps = np.arange(own[0], own[-1] + source.horizon)
            axes.plot(steps - first, source.series[steps], label=split)
    axes.set(xlabel=f"step of the series{name}", ylabel=figures.literal(source.variable))
    axes.legend(fontsize="small")
    return figure


def in_a_row(numbers: np.ndarray) -> np.ndarray:
    """From (windows, horizon) those windows that follow each other without overlap, as (steps,)."""
    return numbers[:: numbers.shape[1]].reshape(-1)[:DRAWN]
